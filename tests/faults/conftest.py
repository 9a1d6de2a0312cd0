"""A small run, and processes that can be killed without waiting for torch to load each time."""

import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

_MEASURED = {"created", "seconds", "loop_seconds", "peak_mib", "fit_seconds", "fit_peak_mib"}
Start = Callable[..., ForkServerProcess]


@pytest.fixture(scope="session")
def start() -> Start:
    """Starts a step in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.steps"])

    def begin(*arguments: Any) -> ForkServerProcess:
        from .steps import run_step

        process = context.Process(target=run_step, args=tuple(map(str, arguments)))
        process.start()
        return process

    return begin


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, start: Start) -> Path:
    """Folder in which every step has run undisturbed; tests copy from it."""
    folder = tmp_path_factory.mktemp("whole")
    for step in ("simulate", "sgd", "varpro", "analyse"):
        process = start(step, folder)
        process.join()
        assert process.exitcode == 0, step
    return folder


def contents(folder: Path) -> dict[str, Any]:
    """All that a step leaves but what it measures of itself (times, memory, event files)."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = os.fspath(path.relative_to(folder))
        if path.is_file() and "tfevents" not in name:
            found[name] = path.read_bytes()
            if path.suffix == ".json" and path.name != "zarr.json":
                found[name] = _lasting(json.loads(found[name]))
    return found


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(inner) for key, inner in value.items() if key not in _MEASURED}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value
