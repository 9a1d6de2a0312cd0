"""What a run took: command, wall time, peak memory; and that nothing else depends on it."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from neuralgnn.data import RecordingWriter, open_dataset, open_recording, save_dataset
from neuralgnn.data import cost as cost_module
from neuralgnn.data.cost import COMMAND, describe_task, measured, peak_mib, run_record
from neuralgnn.data.store import stored_content


def test_the_clock_starts_with_the_innermost_step() -> None:
    with measured():
        time.sleep(0.02)
        with measured():
            inner = run_record()["seconds"]
        outer = run_record()["seconds"]

    assert inner < 0.02 <= outer
    assert run_record(earlier=100.0)["seconds"] > 100


def test_peak_memory_is_that_of_the_process_itself() -> None:
    """A program that is started by a large one is not taken for large."""
    large = np.ones(2**25)  # 256 MiB
    own = peak_mib()
    code = "from neuralgnn.data.cost import peak_mib; print(peak_mib())"
    other = float(subprocess.check_output([sys.executable, "-c", code], text=True))

    assert own > large.nbytes / 2**20
    assert 5 < other < own


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/home/me/.venv/bin/neuralgnn", "fit", "a b.zarr"], "neuralgnn fit 'a b.zarr'"),
        (["/lib/snakemake/__main__.py", "-n"], "python -m snakemake -n"),
        (["-c", "1"], "python -c 1"),
        ([""], "python"),
    ],
)
def test_the_command_is_what_was_typed_without_where_programs_lie(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], command: str
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.delenv(COMMAND, raising=False)

    assert run_record()["command"] == command


def test_a_job_tells_the_command_of_its_workflow_and_its_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(COMMAND, "snakemake --cores 2")
    monkeypatch.setattr(cost_module, "_task", {})
    describe_task(rule="train", threads=2)

    record = run_record()

    assert (record["command"], record["rule"]) == ("snakemake --cores 2", "train")


def test_stores_of_equal_content_differ_in_the_run_alone(tmp_path: Path) -> None:
    dataset = xr.Dataset({"a": ("x", np.arange(3.0))})
    for name in "ab":
        save_dataset(dataset, tmp_path / name, config={"seed": 3})
        time.sleep(0.002)

    one, other = (open_dataset(tmp_path / name).attrs for name in "ab")
    assert one["provenance"].pop("run") != other["provenance"].pop("run")
    assert one == other
    assert stored_content(tmp_path / "a") == stored_content(tmp_path / "b")


@pytest.mark.parametrize("entry", ["seconds", "command", "sha256"])
def test_a_changed_run_is_refused_like_any_other_damage(tmp_path: Path, entry: str) -> None:
    save_dataset(xr.Dataset({"a": ("x", np.arange(3.0))}), tmp_path / "a")
    group = zarr.open_group(tmp_path / "a", mode="r+")
    about = group.attrs["provenance"]
    assert isinstance(about, dict)
    group.attrs["provenance"] = {**about, "run": {**about["run"], entry: "other"}}

    with pytest.raises(ValueError, match="was changed after the store was written"):
        open_dataset(tmp_path / "a")


def test_a_continued_recording_counts_the_time_before_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"n_frames": 8, "n_neurons": 2, "dt": 0.1, "key": "k", "shard_frames": 4}
    about = {"provenance": {"config": {}}}
    killed = RecordingWriter(tmp_path / "a.zarr", attrs=about, **options)
    killed._began -= 1000  # seconds ago
    killed.append(np.zeros((4, 2)))

    writer = RecordingWriter(tmp_path / "a.zarr", attrs=about, **options)
    assert writer.resume_frame == 4
    writer.append(np.ones((4, 2)))
    writer.close()

    run = open_recording(tmp_path / "a.zarr").attrs["provenance"]["run"]
    assert 1000 < run["seconds"] < 1100
