import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from neuralgnn.data import open_recording, open_truth, recording_from_array
from neuralgnn.data.writer import shard_length


@pytest.mark.parametrize(
    "frames",
    [
        slice(None),
        slice(3, 40, 6),
        slice(-5, None),
        slice(20, 2, -3),
        range(7, 9),
        range(9, 2, -1),
        np.array([4, 4, 2, 49, 0]),
        np.arange(1, 50, 3),
        np.array([13]),
        np.array([], dtype=int),
    ],
    ids=str,
)
def test_selected_frames_are_those_of_the_array(store: Path, activity, frames) -> None:
    recording = open_recording(store)
    index = np.array(frames) if isinstance(frames, range) else frames

    np.testing.assert_array_equal(recording.activity(frames), activity[index])
    np.testing.assert_array_equal(recording.drift(frames), 2 * activity[index])


def test_store_opens_with_plain_xarray(store: Path, activity) -> None:
    with xr.open_zarr(store, consolidated=False, chunks=None) as dataset:
        assert dataset["activity"].dims == ("time", "neuron")
        assert set(dataset.variables) == {"activity", "drift", "time"}
        np.testing.assert_array_equal(dataset["activity"], activity)
        np.testing.assert_allclose(dataset["time"], 0.1 * np.arange(50))


def test_recording_knows_its_size_and_step(store: Path) -> None:
    recording = open_recording(store)

    assert (recording.n_frames, recording.n_neurons, recording.dt) == (50, 7, 0.1)
    assert recording.has_drift


def test_a_long_recording_is_some_hundred_files_at_most() -> None:
    assert -(-100_000 // shard_length(1000, 100_000)) < 100
    assert -(-100_000 // shard_length(8000, 100_000)) < 500


def test_constant_zero_activity_is_stored_and_not_left_out(tmp_path: Path) -> None:
    recording_from_array(tmp_path / "zero.zarr", np.zeros((30, 3), np.float32), dt=1.0)

    assert not open_recording(tmp_path / "zero.zarr").activity().any()


def test_last_frames_are_held_out(store: Path) -> None:
    assert open_recording(store).split(0.1) == (range(45), range(45, 50))


@pytest.mark.parametrize("fraction", [0.0, 0.01, 1.0])
def test_split_that_leaves_a_part_empty_is_refused(store: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match="both parts need at least one frame"):
        open_recording(store).split(fraction)


def test_digest_follows_content_and_step_only(tmp_path: Path, activity) -> None:
    for name, values, dt in [("a", activity, 0.1), ("b", activity, 0.1), ("c", activity, 0.2)]:
        recording_from_array(tmp_path / name, values, dt=dt, attrs={"note": name})
    changed = activity.copy()
    changed[-1, -1] += 1
    recording_from_array(tmp_path / "d", changed, dt=0.1)

    digests = {name: open_recording(tmp_path / name).digest for name in "abcd"}

    assert digests["a"] == digests["b"]
    assert len(set(digests.values())) == 3


# Truth


def test_opening_a_recording_does_not_touch_its_truth(store: Path, activity) -> None:
    for file in (store / "truth").rglob("*"):
        if file.is_file():
            file.write_bytes(b"unreadable")

    np.testing.assert_array_equal(open_recording(store).activity(), activity)
    with pytest.raises(ValueError, match="truth"):
        open_truth(store)


def test_truth_comes_back(store: Path, truth: xr.Dataset) -> None:
    found = open_truth(store)

    assert found is not None
    xr.testing.assert_equal(found.load(), truth)


def test_truth_may_be_deleted(store: Path) -> None:
    shutil.rmtree(store / "truth")

    open_recording(store)
    assert open_truth(store) is None


def test_truth_without_a_chunk_is_refused(store: Path) -> None:
    (store / "truth/weight/c/0/0").unlink()

    with pytest.raises(ValueError, match=r"truncated: array 'weight' has 0 of 1 chunk files"):
        open_truth(store)


# Refusals


def test_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_recording(tmp_path / "none.zarr")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a zarr 3 store"):
        open_recording(tmp_path)


def test_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "activity.npy").write_bytes(b"1234")
    with pytest.raises(ValueError, match="not a zarr 3 store"):
        open_recording(tmp_path / "activity.npy")


def test_foreign_store_is_refused(tmp_path: Path) -> None:
    xr.Dataset({"activity": (("time", "neuron"), np.zeros((4, 2)))}).to_zarr(
        tmp_path / "foreign.zarr", zarr_format=3, consolidated=False
    )
    with pytest.raises(ValueError, match="format None, expected 'neuralgnn-recording'"):
        open_recording(tmp_path / "foreign.zarr")


def test_array_in_place_of_a_group_is_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "array.zarr", data=np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read"):
        open_recording(tmp_path / "array.zarr")


def test_damaged_metadata_is_refused(store: Path) -> None:
    text = (store / "zarr.json").read_text()
    (store / "zarr.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="damaged"):
        open_recording(store)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("complete", "not marked complete"), ("seal", "was changed after the store was written")],
)
def test_store_without_an_attribute_is_refused(store: Path, attribute, message) -> None:
    _edit_attributes(store, lambda attributes: attributes.pop(attribute))
    with pytest.raises(ValueError, match=message):
        open_recording(store)


def test_store_of_a_later_format_is_refused(store: Path) -> None:
    _edit_attributes(store, lambda attributes: attributes.update(format_version=99))
    with pytest.raises(ValueError, match="format_version 99"):
        open_recording(store)


def test_missing_chunk_file_is_refused(store: Path) -> None:
    (store / "activity/c/0/0").unlink()
    with pytest.raises(ValueError, match=r"truncated: array 'activity' has 0 of 1 chunk files"):
        open_recording(store)


def test_shortened_chunk_file_is_refused(store: Path) -> None:
    file = store / "drift/c/0/0"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="truncated: array 'drift'"):
        open_recording(store)


def test_damaged_bytes_raise_when_they_are_read(store: Path) -> None:
    file = store / "activity/c/0/0"
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)

    recording = open_recording(store)

    with pytest.raises(ValueError, match=r"activity of frames 0\.\.5 cannot be read"):
        recording.activity(slice(0, 6))


def test_changed_values_are_found_by_verifying(store: Path) -> None:
    open_recording(store).verify()
    _array(store, "activity")[3, 3] = 1.5

    with pytest.raises(ValueError, match="values were changed"):
        open_recording(store).verify()


def test_nan_is_named_with_frame_and_neuron(store: Path) -> None:
    _array(store, "activity")[12, 5] = np.nan
    recording = open_recording(store)

    recording.activity(slice(0, 12))
    with pytest.raises(ValueError, match="nan at frame 12, neuron 5"):
        recording.activity(slice(0, 50, 4))


@pytest.mark.parametrize("frames", [np.array([50]), np.array([-1]), range(45, 51)], ids=str)
def test_frames_outside_the_recording_are_refused(store: Path, frames) -> None:
    with pytest.raises(IndexError, match=r"the recording has 0\.\.49"):
        open_recording(store).activity(frames)


def test_frames_must_be_integers(store: Path) -> None:
    with pytest.raises(IndexError, match="integer frame numbers"):
        open_recording(store).activity(np.array([0.5, 1.5]))


def test_missing_drift_is_refused(tmp_path: Path, activity) -> None:
    recording_from_array(tmp_path / "own.zarr", activity, dt=0.1)
    recording = open_recording(tmp_path / "own.zarr")

    assert not recording.has_drift
    with pytest.raises(ValueError, match="finite_difference"):
        recording.drift()


def _array(store: Path, name: str) -> zarr.Array:
    array = zarr.open_group(store, mode="r+")[name]
    assert isinstance(array, zarr.Array)
    return array


def _edit_attributes(store: Path, edit) -> None:
    metadata = json.loads((store / "zarr.json").read_text())
    edit(metadata["attributes"])
    (store / "zarr.json").write_text(json.dumps(metadata))
