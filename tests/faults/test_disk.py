"""Disks that are full or read-only, and two runs in one folder: one message, nothing half-done."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import open_recording, recording_from_array, save_dataset, write_json
from neuralgnn.data.scratch import only_writer
from neuralgnn.models.checkpoint import load_model, save_checkpoint, write_atomically
from neuralgnn.steps.job import USER_ERRORS, explain


def fill(disk: Path, *, leave: int) -> None:
    """Takes all room of a disk but some bytes."""
    usage = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        file.write(b"\0" * (usage.f_bavail * usage.f_frsize - leave))


def refusal(use) -> str:
    with pytest.raises(USER_ERRORS) as refused:
        use()
    return explain(refused.value)


def test_a_recording_too_large_for_the_disk_is_refused_before_it_is_written(disk: Path) -> None:
    message = refusal(
        lambda: recording_from_array(disk / "a.zarr", np.zeros((9000, 100), np.float32), dt=1.0)
    )

    assert f"{disk} has only" in message
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("what", ["json", "dataset", "checkpoint", "state"])
def test_a_full_disk_is_named_and_the_older_file_stays(what: str, disk: Path, whole: Path) -> None:
    import torch
    import xarray as xr

    model, _ = load_model(whole / "sgd/model.pt")
    noise = np.random.default_rng(0).standard_normal(40_000)
    path = disk / {"json": "m.json", "dataset": "d.zarr"}.get(what, "m.pt")

    def write(values: np.ndarray) -> None:
        if what == "json":
            write_json(path, values.tolist())
        elif what == "dataset":
            save_dataset(xr.Dataset({"x": ("time", values)}), path)
        elif what == "checkpoint":
            extra = {"more": torch.from_numpy(values)}
            save_checkpoint(path, model, step=1, provenance={}, extra=extra)
        else:
            write_atomically(path, {"more": torch.from_numpy(values)})

    write(noise[:10])
    before = {file: file.read_bytes() for file in disk.rglob("*") if file.is_file()}
    fill(disk, leave=100_000)

    message = refusal(lambda: write(noise))

    assert str(path) in message
    assert "No space left" in message
    assert "free some room there" in message
    (disk / "filler").unlink()
    assert {file: file.read_bytes() for file in disk.rglob("*") if file.is_file()} == before


def test_a_simulation_on_a_disk_that_fills_up_goes_on_when_there_is_room(
    disk: Path, whole: Path
) -> None:
    from neuralgnn.simulate.run import simulate

    from .steps import SIMULATION

    class Filled(Exception): ...

    written = []

    def simulate_there() -> None:
        simulate(SIMULATION, disk / "a.zarr", seed=1, shard_frames=400, progress=False)

    from neuralgnn.data.writer import RecordingWriter

    append = RecordingWriter.append

    def and_fill(writer: RecordingWriter, *arrays, **state) -> None:
        written.append(writer.resume_frame)
        if len(written) == 4:
            fill(disk, leave=20_000)
        append(writer, *arrays, **state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordingWriter, "append", and_fill)
        message = refusal(simulate_there)
    assert str(disk / "a.zarr") in message
    assert "free some room there" in message
    assert not (disk / "a.zarr").exists()
    (disk / "filler").unlink()

    simulate_there()

    assert open_recording(disk / "a.zarr").digest == open_recording(whole / "activity.zarr").digest


def test_a_read_only_disk_is_named(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    message = refusal(lambda: write_json(disk / "m.json", {}))

    assert str(disk) in message
    assert "choose a folder that can be written to" in message


_HOLDER = """
import sys
from pathlib import Path
from neuralgnn.data.scratch import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_of_a_result_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match="out is being written by another process"):
            only_writer(tmp_path / "out").__enter__()
        holder.kill()
    assert (tmp_path / ".out.lock").exists()

    with only_writer(tmp_path / "out"):
        pass

    assert list(tmp_path.iterdir()) == []
