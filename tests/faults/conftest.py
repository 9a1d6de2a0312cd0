"""A small run, whose files tests damage in copies, and a small disk."""

import subprocess
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from .steps import STEPS, load, run_step


def forget_revision(patch: pytest.MonkeyPatch) -> None:
    """The working tree's state belongs to the bytes, and may change while tests run."""
    patch.setattr(import_module("neuralgnn.data.provenance"), "_revision", lambda: None)


@pytest.fixture(autouse=True)
def no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_revision(monkeypatch)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Folder in which every step has run undisturbed, and the seconds each took."""
    folder, seconds = tmp_path_factory.mktemp("whole"), {}
    with pytest.MonkeyPatch.context() as patch:
        forget_revision(patch)
        for step in STEPS:
            load(step)
            began = time.monotonic()
            run_step(step, folder)
            seconds[step] = time.monotonic() - began
    return folder, seconds


@pytest.fixture(scope="session")
def whole(undisturbed: tuple[Path, dict[str, float]]) -> Path:
    """The folder alone; tests copy from it."""
    return undisturbed[0]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
