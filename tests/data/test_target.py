from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import open_recording, recording_from_array, target


@pytest.mark.parametrize("frames", [range(49), np.array([30, 3, 3, 48]), range(0, 40, 7)], ids=str)
def test_finite_difference_is_that_of_neighbouring_frames(store: Path, activity, frames) -> None:
    index = np.asarray(frames)
    x = activity.astype(np.float64)

    found = target(open_recording(store), frames, kind="finite_difference")

    np.testing.assert_array_equal(found, ((x[index + 1] - x[index]) / 0.1).astype(np.float32))
    assert found.dtype == np.float32


def test_finite_difference_of_a_long_recording_has_no_seams(tmp_path: Path) -> None:
    """Blocks are read one by one: the slope of a line is the same across their borders."""
    time = np.arange(5000, dtype=np.float32)
    recording_from_array(tmp_path / "a.zarr", np.stack([time, -3 * time], axis=1), dt=0.5)

    found = target(open_recording(tmp_path / "a.zarr"), range(4999), kind="finite_difference")

    np.testing.assert_array_equal(found, np.tile(np.array([2, -6], np.float32), (4999, 1)))


def test_drift_is_what_was_stored(store: Path, activity) -> None:
    found = target(open_recording(store), np.array([49, 1]), kind="drift")
    np.testing.assert_array_equal(found, 2 * activity[[49, 1]])


def test_last_frame_has_no_finite_difference(store: Path) -> None:
    with pytest.raises(IndexError, match="at frame 49 needs frame 50"):
        target(open_recording(store), range(40, 50), kind="finite_difference")


def test_drift_that_was_not_stored_is_refused(tmp_path: Path, activity) -> None:
    recording_from_array(tmp_path / "a.zarr", activity, dt=0.1)
    with pytest.raises(ValueError, match="has no drift"):
        target(open_recording(tmp_path / "a.zarr"), range(3), kind="drift")


def test_unknown_target_is_refused(store: Path) -> None:
    with pytest.raises(ValueError, match="'central', expected 'drift' or"):
        target(open_recording(store), range(3), kind="central")  # pyright: ignore
