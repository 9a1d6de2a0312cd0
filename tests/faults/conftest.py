"""A small run, whose files tests damage in copies."""

from pathlib import Path

import pytest

from .steps import run_step


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which every step has run undisturbed; tests copy from it."""
    folder = tmp_path_factory.mktemp("whole")
    for step in ("simulate", "sgd", "varpro", "analyse"):
        run_step(step, folder)
    return folder
