"""The workflow killed, started twice, edited, on a full disk, under a clock that was set back."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.contents import contents, lasting

from neuralgnn.models.checkpoint import read_checkpoint

from .conftest import command

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "test.yaml"
RESULTS = Path("results/test")
SGD = RESULTS / "fig_2/seed_42/sgd"
TRAINING = SGD / "checkpoints/training.json"
Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.faults


def start(*arguments: str, folder: Path, config: Path = CONFIG) -> subprocess.Popen[str]:
    """Starts Snakemake in a process group of its own."""
    return subprocess.Popen(
        command(*arguments, folder=folder, config=config),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


def wait_for(found: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not found():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left_by(folder: Path) -> dict[str, Any]:
    """What a run leaves but logs and what shows how long steps took."""
    measured = re.compile(r"logs/|benchmarks/|tables/|report\.html|figures/summary|\.state/")
    return {
        name: value
        for name, value in contents(folder / RESULTS).items()
        if not measured.match(name)
    }


def test_a_workflow_that_is_killed_again_and_again_ends_in_the_same_bytes(
    tiny: Path, tmp_path: Path, snakemake: Run, record_count: Callable[..., None]
) -> None:
    rng, killed = np.random.default_rng(2), 0
    for _ in range(6):
        with start("--rerun-incomplete", folder=tmp_path) as process:
            time.sleep(rng.uniform(4, 30))
            os.killpg(process.pid, signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        snakemake("--unlock", folder=tmp_path, config=CONFIG)

    run = snakemake("--rerun-incomplete", folder=tmp_path, config=CONFIG)

    assert run.returncode == 0, run.stdout[-6000:]
    found, expected = left_by(tmp_path), left_by(tiny)
    assert set(found) == set(expected)
    assert [name for name in found if found[name] != expected[name]] == []
    record_count("kills of the whole workflow", killed, 6)


def test_a_second_run_on_the_same_results_is_refused(tmp_path: Path, snakemake: Run) -> None:
    first = start(str(TRAINING), folder=tmp_path)
    # One for what it reads, then one for what it writes: only with both is the folder locked.
    wait_for(lambda: len(list((tmp_path / ".snakemake/locks").glob("*"))) == 2, first)

    second = snakemake(str(TRAINING), folder=tmp_path, config=CONFIG)

    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    assert str(tmp_path) in second.stdout
    assert "--unlock" in second.stdout
    assert "Traceback" not in second.stdout
    output, _ = first.communicate()
    assert first.returncode == 0, output


def test_settings_edited_while_a_run_goes_on_hold_from_the_next_run_on(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    path = config()
    process = start(str(TRAINING), folder=tmp_path, config=path)
    wait_for(lambda: (tmp_path / RESULTS / "logs/simulate/fig_2_seed_42.log").exists(), process)
    path.write_text(path.read_text().replace("n_steps: 200", "n_steps: 240"))

    output, _ = process.communicate()

    if process.returncode == 0:
        assert json.loads((tmp_path / TRAINING).read_text())["n_steps"] == 200
    else:
        assert f"{path} or one of its experiments was changed while the run goes on" in output
    run = snakemake(str(TRAINING), folder=tmp_path, config=path)
    assert run.returncode == 0, run.stdout
    assert json.loads((tmp_path / TRAINING).read_text())["n_steps"] == 240


def set_clock(path: Path, *, days: float) -> None:
    """Makes files look as if they were written that much later."""
    moment = time.time() + 86_400 * days
    for each in [path, *path.rglob("*")]:
        os.utime(each, (moment, moment))


def test_results_from_the_future_are_still_results(
    tiny: Path, tmp_path: Path, snakemake: Run
) -> None:
    """Those older than the program are made again: Snakemake takes the program for changed."""
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    set_clock(folder / "results", days=10_000)

    run = snakemake("--dry-run", folder=folder, config=CONFIG)

    assert "Nothing to be done" in run.stdout


def test_a_clock_set_back_within_a_run_is_named_with_a_way_out(
    tiny: Path, tmp_path: Path, snakemake: Run
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    model = SGD / "model.pt"
    expected = lasting(read_checkpoint(folder / model))
    (folder / model).unlink()
    set_clock(folder / RESULTS / "fig_2/seed_42/activity.zarr", days=1)

    run = snakemake(str(model), folder=folder, config=CONFIG)

    assert run.returncode != 0
    assert "activity.zarr/zarr.json" in run.stdout
    assert "Traceback" not in run.stdout
    (way_out,) = re.findall(r"then start again: (find results/test .*)", run.stdout)
    subprocess.run(way_out.split(), cwd=folder, check=True)
    run = snakemake(str(model), folder=folder, config=CONFIG)
    assert run.returncode == 0, run.stdout
    assert lasting(read_checkpoint(folder / model)) == expected


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Path]:
    """A results folder that is a disk of its own."""
    folder = tmp_path / "results"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_read_only_and_full_results_folders_are_named_and_a_larger_one_is_gone_on_in(
    results: Path, tmp_path: Path, snakemake: Run
) -> None:
    remount(results, "ro")
    run = snakemake(str(TRAINING), folder=tmp_path, config=CONFIG)
    assert run.returncode != 0
    assert "Read-only file system: 'results/test'" in run.stdout
    assert "Traceback" not in run.stdout
    remount(results, "rw")

    for size in ("1m", "1500k"):  # too small for the recording, then for the fit
        remount(results, f"size={size}")
        run = snakemake(str(TRAINING), folder=tmp_path, config=CONFIG)
        assert run.returncode != 0
        assert "Traceback" not in run.stdout
        (told,) = re.findall(r"^error: .*", run.stdout, re.MULTILINE)
        assert "results/test" in told
        assert "has only" in told or "free some room there" in told

    remount(results, "size=16m")
    run = snakemake(str(TRAINING), folder=tmp_path, config=CONFIG)
    assert run.returncode == 0, run.stdout
