"""kill -9 at random moments: a rerun ends in what the undisturbed run ended in."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from .conftest import Start, contents

# What a step takes from the folder of the whole run, and what it leaves there.
NEEDS = {
    "simulate": (),
    "sgd": ("activity.zarr",),
    "varpro": ("activity.zarr",),
    "analyse": ("activity.zarr", "sgd/checkpoints"),
}


def prepare(step: str, whole: Path, folder: Path) -> Path:
    folder.mkdir()
    for need in NEEDS[step]:
        shutil.copytree(whole / need, folder / need)
    return folder


def finish(start: Start, step: str, folder: Path) -> float:
    """Runs a step to its end; gives the seconds it took."""
    began = time.monotonic()
    process = start(step, folder)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def kill_after(seconds: float, start: Start, step: str, folder: Path) -> bool:
    """Starts a step and kills it; says whether it was still running."""
    process = start(step, folder)
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("step", NEEDS)
@pytest.mark.parametrize("n_kills", [2, pytest.param(25, marks=pytest.mark.faults)])
def test_a_killed_step_ends_in_the_same_bytes_when_it_is_run_again(
    step: str, n_kills: int, whole: Path, start: Start, tmp_path: Path
) -> None:
    """Kills that come too late do not count; every third run is killed once more on its way."""
    rng = np.random.default_rng([n_kills, len(step)])
    undisturbed = prepare(step, whole, tmp_path / "undisturbed")
    seconds = finish(start, step, undisturbed)
    expected = contents(undisturbed)
    killed, attempt = 0, 0
    while killed < n_kills:
        attempt += 1
        assert attempt < 10 * n_kills, "kills came too late too often"
        folder = prepare(step, whole, tmp_path / f"killed_{attempt}")
        killed += kill_after(rng.uniform(0, seconds), start, step, folder)
        if rng.random() < 1 / 3:
            killed += kill_after(rng.uniform(0, seconds), start, step, folder)
        finish(start, step, folder)
        found = contents(folder)
        assert set(found) == set(expected), f"kill {killed}"
        assert [name for name in found if found[name] != expected[name]] == [], f"kill {killed}"
        shutil.rmtree(folder)
