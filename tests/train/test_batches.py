from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.data import Recording, open_recording, recording_from_array, target
from neuralgnn.train.batches import Batches


@pytest.mark.parametrize("kind", ["drift", "finite_difference"])
@pytest.mark.parametrize("memory", [0, 2**30], ids=["from the store", "in memory"])
def test_batches_are_the_recorded_frames_and_their_targets(
    recording: Recording, kind, memory: int
) -> None:
    batches = Batches(recording, range(100, 400), kind=kind, memory=memory)
    index = torch.tensor([250, 3, 3, 0, 298])

    x, y = batches.at(index)

    frames = 100 + index.numpy()
    np.testing.assert_array_equal(x.numpy(), recording.activity(frames))
    np.testing.assert_array_equal(y.numpy(), target(recording, frames, kind=kind))


def test_finite_difference_stays_within_the_stretch(recording: Recording) -> None:
    assert Batches(recording, range(0, 50), kind="finite_difference").n_frames == 49
    assert Batches(recording, range(0, 50), kind="drift").n_frames == 50


def test_draws_follow_from_the_generator_and_reach_every_frame(recording: Recording) -> None:
    batches = Batches(recording, range(5), kind="drift")
    one, same = (
        batches.draw(100, generator=torch.Generator().manual_seed(1))[0] for _ in range(2)
    )

    assert torch.equal(one, same)
    assert len(one.unique(dim=0)) == 5


def test_sample_is_spread_evenly(recording: Recording) -> None:
    sample = Batches(recording, range(100), kind="drift").sample(3)

    np.testing.assert_array_equal(sample.numpy(), recording.activity(np.array([0, 49, 99])))


def test_stretch_without_a_pair_of_frames_is_refused(recording: Recording) -> None:
    with pytest.raises(ValueError, match="1 frames to train on, at least 2 are needed"):
        Batches(recording, range(1), kind="finite_difference")


def test_target_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    recording_from_array(tmp_path / "activity.zarr", np.ones((9, 2), np.float32), dt=0.1)

    with pytest.raises(ValueError, match="has no drift"):
        Batches(open_recording(tmp_path / "activity.zarr"), range(9), kind="drift")
