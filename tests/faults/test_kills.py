"""kill -9 at random moments: a rerun ends in what the undisturbed run ended in."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from . import steps
from .contents import contents
from .steps import STEPS


def test_a_killed_step_ends_in_the_same_bytes_when_it_is_run_again(
    undisturbed: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    whole, seconds = undisturbed
    killed = kill_each_step(tmp_path / "run", whole, dict(seconds), np.random.default_rng(0))

    assert killed.total() >= 2, killed  # those that come after the end kill nothing


@pytest.mark.faults
def test_a_hundred_kills_change_nothing(
    undisturbed: tuple[Path, dict[str, float]],
    tmp_path: Path,
    record_count: Callable[..., None],
) -> None:
    """Some twenty in every step, and a hundred in all."""
    whole, seconds = undisturbed[0], dict(undisturbed[1])
    rng, killed = np.random.default_rng(1), Counter[str]()
    for number in range(60):
        folder = tmp_path / f"run_{number}"
        killed += kill_each_step(folder, whole, seconds, rng)
        shutil.rmtree(folder)
        if killed.total() >= 100 and min(killed[step] for step in STEPS) >= 20:
            break
    more = ", ".join(f"{step} {killed[step]}" for step in STEPS)
    record_count("kills", killed.total(), killed.total(), more)
    assert killed.total() >= 100
    assert min(killed[step] for step in STEPS) >= 20


def kill_each_step(
    folder: Path, whole: Path, seconds: dict[str, float], rng: np.random.Generator
) -> Counter[str]:
    """Makes the run in a folder, killing it once in every step; says where the kills fell.

    Asserts that the run, started again, ends in what the undisturbed one ended in. A kill that
    comes after the end of its step shows that the step takes less time now: on a machine with
    other work to do, the undisturbed run says little of the next ones.

    Args:
        folder: Where to run.
        whole: Folder of the undisturbed run.
        seconds: How long each step takes; changed in place.
        rng: Where the moments are drawn from.
    """
    folder.mkdir()
    killed = Counter[str]()
    for step in STEPS:
        after = rng.uniform(0, seconds[step])
        where = kill_in(step, folder, after=after)
        if where != step:
            seconds[step] = (seconds[step] + after) / 2
        if where is not None:
            killed[where] += 1
    with start(folder) as process:
        assert process.wait() == 0, complaints(folder)
    found, expected = contents(folder), contents(whole)
    assert set(found) == set(expected), killed
    assert [name for name in found if found[name] != expected[name]] == [], killed
    return killed


def kill_in(step: str, folder: Path, *, after: float) -> str | None:
    """Kills a run some seconds after a step began; says in which step, None if none was left."""
    with start(folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == step:
                time.sleep(after)
                os.killpg(process.pid, signal.SIGKILL)
                break
        begun = [step, *process.stdout.read().split()]
        if process.wait() == -signal.SIGKILL:
            return begun[-1]
        assert process.returncode == 0, complaints(folder)
        return None


def start(folder: Path) -> subprocess.Popen[str]:
    """Starts the run of a folder in a process group of its own."""
    with folder.with_suffix(".err").open("a") as complaints:
        return subprocess.Popen(
            [sys.executable, steps.__file__, folder],
            env=os.environ | {"GIT_DIR": os.fspath(folder)},  # see the undisturbed run
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
            text=True,
        )


def complaints(folder: Path) -> str:
    return folder.with_suffix(".err").read_text()
