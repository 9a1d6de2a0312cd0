"""Disks that are full or read-only: one message, nothing half-done, the same bytes later."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from neuralgnn.data import open_recording, recording_from_array, save_dataset, write_json
from neuralgnn.models.checkpoint import load_model, save_checkpoint, write_atomically
from neuralgnn.steps.job import USER_ERRORS, explain

from .contents import contents
from .steps import LEAVES, NEEDS, STEPS, prepare, run_step


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
        lambda: recording_from_array(disk / "a.zarr", np.zeros((90_000, 100), np.float32), dt=1.0)
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
    remount(disk, "ro")

    message = refusal(lambda: write_json(disk / "m.json", {}))

    assert str(disk) in message
    assert "choose a folder that can be written to" in message


def allocated(whole: Path, step: str) -> int:
    """What the files that a step leaves take on a disk with pages of 4 KiB [byte]."""
    files = [
        file
        for name in LEAVES[step]
        for file in (whole / name, *(whole / name).rglob("*"))
        if file.is_file()
    ]
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in files)


def fill_up(step: str, *, share: float, disk: Path, whole: Path) -> None:
    """Runs a step on a disk with room for a share of what it leaves, then again with room."""
    prepare(step, whole, disk)
    fill(disk, leave=int(share * allocated(whole, step)))

    message = refusal(lambda: run_step(step, disk))

    assert str(disk) in message
    assert "free some room there" in message or "record fewer frames" in message
    (disk / "filler").unlink()
    run_step(step, disk)
    assert_same(contents(disk), whole, step)


def assert_same(found: dict[str, Any], whole: Path, step: str) -> None:
    """Asserts that a folder holds what a step reads and leaves, and nothing else."""
    names = tuple(NEEDS[step] + LEAVES[step])
    expected = {name: value for name, value in contents(whole).items() if name.startswith(names)}
    assert set(found) == set(expected)
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fills_the_disk_ends_in_the_same_bytes_when_there_is_room(
    step: str, disk: Path, whole: Path
) -> None:
    fill_up(step, share=0.5, disk=disk, whole=whole)


@pytest.mark.faults
@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.35, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_moment_changes_nothing(
    step: str, share: float, disk: Path, whole: Path
) -> None:
    fill_up(step, share=share, disk=disk, whole=whole)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_on_a_read_only_disk_says_so(step: str, disk: Path, whole: Path) -> None:
    prepare(step, whole, disk)
    before = contents(disk)
    remount(disk, "ro")

    message = refusal(lambda: run_step(step, disk))

    assert str(disk) in message
    assert "choose a folder that can be written to" in message
    assert contents(disk) == before


def test_a_recording_on_a_read_only_disk_can_be_fitted(
    disk: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "activity.zarr", disk / "activity.zarr")
    remount(disk, "ro")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/activity.zarr").symlink_to(disk / "activity.zarr")

    run_step("sgd", tmp_path / "run")

    (tmp_path / "run/activity.zarr").unlink()
    found = contents(tmp_path / "run")
    assert found
    assert {name: contents(whole)[name] for name in found} == found


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder that this process may not write to, even if it was started by root."""
    with TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


def test_a_folder_without_the_right_to_write_is_named(forbidden: Path) -> None:
    message = refusal(lambda: write_json(forbidden / "m.json", {}))

    assert str(forbidden) in message
    assert "choose a folder that you may write to" in message


def test_a_limit_on_the_size_of_files_is_named(tmp_path: Path, whole: Path) -> None:
    model, _ = load_model(whole / "sgd/model.pt")
    path = tmp_path / "m.pt"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        message = refusal(lambda: save_checkpoint(path, model, step=1, provenance={}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert str(path) in message
    assert "raise the limit on the size of files" in message
    assert list(tmp_path.iterdir()) == []
