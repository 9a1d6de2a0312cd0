import shutil
import tracemalloc
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import RecordingWriter, open_recording, recording_from_array
from neuralgnn.data.store import stored_content


def writer_of(path: Path, **changes) -> RecordingWriter:
    return RecordingWriter(
        path,
        **{"n_frames": 50, "n_neurons": 7, "dt": 0.1, "key": "a run", "shard_frames": 16}
        | changes,
    )


def append_next(writer: RecordingWriter, activity: np.ndarray) -> None:
    first = writer.resume_frame
    rows = activity[first : first + writer.shard_frames]
    writer.append(rows, state={"last": rows[-1]})


def test_nothing_stands_at_the_path_before_closing(tmp_path: Path, activity) -> None:
    writer = writer_of(tmp_path / "a.zarr")
    for _ in range(4):
        append_next(writer, activity)

    assert not (tmp_path / "a.zarr").exists()
    with pytest.raises(ValueError, match="format None"):
        open_recording(tmp_path / "a.zarr.partial")

    writer.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("n_written", [1, 2, 4])
def test_interrupted_writing_goes_on_to_the_same_bytes(tmp_path, activity, n_written) -> None:
    whole = writer_of(tmp_path / "whole.zarr")
    for _ in range(4):
        append_next(whole, activity)
    whole.close()
    first = writer_of(tmp_path / "a.zarr")
    for _ in range(n_written):
        append_next(first, activity)

    second = writer_of(tmp_path / "a.zarr")
    assert second.resume_frame == min(16 * n_written, 50)
    np.testing.assert_array_equal(second.resume_state["last"], activity[second.resume_frame - 1])
    for _ in range(4 - n_written):
        append_next(second, activity)
    second.close()

    assert stored_content(tmp_path / "a.zarr") == stored_content(tmp_path / "whole.zarr")
    open_recording(tmp_path / "a.zarr").verify()


@pytest.mark.parametrize(
    "changes", [{"key": "another"}, {"key": None}, {"n_frames": 51}, {"dt": 0.2}], ids=str
)
def test_partial_store_of_another_run_is_not_continued(tmp_path, activity, changes) -> None:
    append_next(writer_of(tmp_path / "a.zarr"), activity)

    assert writer_of(tmp_path / "a.zarr", **changes).resume_frame == 0


def test_what_a_kill_left_of_a_shard_is_not_taken_into_the_store(tmp_path, activity) -> None:
    """zarr writes a file under another name first; a killed process leaves it there."""
    whole = writer_of(tmp_path / "whole.zarr")
    first = writer_of(tmp_path / "a.zarr")
    append_next(first, activity)
    (tmp_path / "a.zarr.partial/activity/c/1.0f3c.partial").write_bytes(b"half")
    (tmp_path / "a.zarr.partial.tmp").write_bytes(b"half a state")

    second = writer_of(tmp_path / "a.zarr")
    for writer, n_shards in ((whole, 4), (second, 3)):
        for _ in range(n_shards):
            append_next(writer, activity)
        writer.close()

    assert stored_content(tmp_path / "a.zarr") == stored_content(tmp_path / "whole.zarr")
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.zarr", "whole.zarr"}


def test_unreadable_state_starts_anew(tmp_path: Path, activity) -> None:
    append_next(writer_of(tmp_path / "a.zarr"), activity)
    (tmp_path / "a.zarr.partial.npz").write_bytes(b"PK\x03\x04 cut")

    assert writer_of(tmp_path / "a.zarr").resume_frame == 0


def test_lost_partial_store_starts_anew(tmp_path: Path, activity) -> None:
    append_next(writer_of(tmp_path / "a.zarr"), activity)
    shutil.rmtree(tmp_path / "a.zarr.partial")

    assert writer_of(tmp_path / "a.zarr").resume_frame == 0


def test_closing_early_is_refused(tmp_path: Path, activity) -> None:
    writer = writer_of(tmp_path / "a.zarr")
    append_next(writer, activity)
    with pytest.raises(ValueError, match="only 16 of 50 frames"):
        writer.close()


def test_block_of_another_length_is_refused(tmp_path: Path, activity) -> None:
    with pytest.raises(ValueError, match=r"shard at frame 0 needs activity of shape \(16, 7\)"):
        writer_of(tmp_path / "a.zarr").append(activity[:15])


def test_drift_where_none_was_announced_is_refused(tmp_path: Path, activity) -> None:
    with pytest.raises(ValueError, match="needs activity of shape"):
        writer_of(tmp_path / "a.zarr").append(activity[:16], activity[:16])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_value_that_is_not_finite_in_float32_is_refused(tmp_path: Path, activity, value) -> None:
    activity = activity.astype(np.float64)
    activity[20, 3] = value

    with pytest.raises(ValueError, match="at frame 20, neuron 3"):
        recording_from_array(tmp_path / "a.zarr", activity, dt=0.1)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_impossible_step_is_refused(tmp_path: Path, activity, dt: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        recording_from_array(tmp_path / "a.zarr", activity, dt=dt)


def test_drift_of_another_shape_is_refused(tmp_path: Path, activity) -> None:
    with pytest.raises(ValueError, match=r"drift has shape \(49, 7\)"):
        recording_from_array(tmp_path / "a.zarr", activity, dt=0.1, drift=activity[1:])


def test_empty_folder_and_older_store_are_replaced(tmp_path: Path, activity) -> None:
    path = tmp_path / "a.zarr"
    path.mkdir()
    recording_from_array(path, activity, dt=0.1)
    (path / "zarr.json").unlink()  # what a workflow does to outputs it declares
    recording_from_array(path, 2 * activity, dt=0.1)

    np.testing.assert_array_equal(open_recording(path).activity(), 2 * activity)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_folder_with_other_files_is_not_replaced(tmp_path: Path, activity) -> None:
    (tmp_path / "thesis.tex").write_text("three years")

    with pytest.raises(FileExistsError, match=r"'thesis\.tex'"):
        recording_from_array(tmp_path, activity, dt=0.1)
    assert (tmp_path / "thesis.tex").read_text() == "three years"


def test_too_small_disk_is_refused_before_the_work(tmp_path, activity, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40, 2**30))

    with pytest.raises(OSError, match=r"needs 3\.8\d GiB, .* only 1\.00 GiB free"):
        writer_of(tmp_path / "a.zarr", n_frames=10**6, n_neurons=1000)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    values = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(20_000, 1000)
    )
    tracemalloc.start()
    recording_from_array(tmp_path / "a.zarr", values, dt=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert values.nbytes == 80e6
    assert peak < 50e6
