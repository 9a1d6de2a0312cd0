"""Frames with artefacts: which are left out, and what that does to W."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.data import Recording, open_recording, recording_from_array
from neuralgnn.train.varpro.frames import FrameLoader
from neuralgnn.train.varpro.rows import GramFactor, solve_weights

CPU = torch.device("cpu")
BAD = np.arange(50, 11_900, 97)  # frames with an artefact


@pytest.fixture(scope="module")
def spoilt(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same recording, with one neuron far out at one frame in a hundred."""
    activity = recording.activity(range(recording.n_frames)).copy()
    random = np.random.default_rng(5)
    activity[BAD, random.integers(100, size=len(BAD))] += random.choice([-300, 300], size=len(BAD))
    path = Path(tmp_path_factory.mktemp("spoilt")) / "activity.zarr"
    recording_from_array(path, activity, dt=recording.dt)
    return open_recording(path)


def loader(recording: Recording, limit: float | None) -> FrameLoader:
    return FrameLoader(
        recording, "finite_difference", CPU, reference=range(10_000), max_deviation=limit
    )


def test_exactly_the_frames_that_an_artefact_reaches_are_left_out(spoilt: Recording) -> None:
    load = loader(spoilt, 10)
    chosen = load.chosen(range(10_000), 10_000)

    # The rate of the frame before an artefact is spoilt as well.
    touched = set(BAD.tolist()) | set((BAD - 1).tolist())
    assert set(range(10_000)) - set(chosen.tolist()) == {t for t in touched if t < 10_000}
    assert load.n_left_out == {10_000: 10_000 - len(chosen)}
    assert len(loader(spoilt, None).chosen(range(10_000), 10_000)) == 10_000


def test_a_limit_that_leaves_too_few_frames_is_refused(spoilt: Recording) -> None:
    with pytest.raises(ValueError, match=r"max_deviation = 0.1 leaves 0 of 500 frames"):
        loader(spoilt, 0.1).chosen(range(10_000), 500)


def _error(recording: Recording, network, limit: float | None) -> float:
    """1 - R² of least squares with known functions."""
    samples = loader(recording, limit)(range(10_000), 3000)
    x, y = samples.x.double(), samples.y.double()
    target = y - torch.from_numpy(np.stack([network.update(row) for row in x.numpy()]))
    sent = torch.tanh(x)
    factor = GramFactor.of(sent, ridge=1e-10)
    weight = solve_weights(factor, sent.T @ target).numpy()
    return float(np.square(weight - network.weight).sum() / np.square(network.weight).sum())


def test_weights_survive_artefacts(spoilt: Recording, network) -> None:
    assert _error(spoilt, network, 10) < 1e-4
    assert _error(spoilt, network, None) > 1
