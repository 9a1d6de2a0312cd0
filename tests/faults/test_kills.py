"""kill -9 at random moments: a rerun ends in what the undisturbed run ended in."""

import os
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
    killed = kill_each_step(tmp_path / "run", undisturbed, np.random.default_rng(0))

    assert killed.total() >= 2, killed  # those that come after the end kill nothing


@pytest.mark.faults
def test_a_hundred_kills_change_nothing(
    undisturbed: tuple[Path, dict[str, float]],
    tmp_path: Path,
    record_count: Callable[..., None],
) -> None:
    """Kills that come after the end of a step do not count for it."""
    rng = np.random.default_rng(1)
    killed: Counter[str] = Counter()
    for number in range(60):
        wanted = [step for step in STEPS if killed[step] < 25]
        if not wanted:
            break
        killed += kill_each_step(tmp_path / f"run_{number}", undisturbed, rng, steps=wanted)
    assert min(killed[step] for step in STEPS) >= 25
    record_count("kills", killed.total(), 100, ", ".join(f"{s} {killed[s]}" for s in STEPS))


def kill_each_step(
    folder: Path,
    undisturbed: tuple[Path, dict[str, float]],
    rng: np.random.Generator,
    steps: list[str] | tuple[str, ...] = STEPS,
) -> Counter[str]:
    """Makes the run in a folder, killing it once in every step; says where the kills fell.

    Asserts that the run, started again, ends in what the undisturbed one ended in.
    """
    whole, seconds = undisturbed
    folder.mkdir()
    killed: Counter[str] = Counter()
    for step in steps:
        where = kill_in(step, folder, after=rng.uniform(0, seconds[step]))
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
