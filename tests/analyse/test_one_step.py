import numpy as np
import pytest

from neuralgnn.analyse.one_step import consecutive_frames, one_step
from neuralgnn.data.recording import open_recording
from neuralgnn.data.writer import recording_from_array

from .conftest import DT


@pytest.fixture
def recording(network, tmp_path):
    recording_from_array(tmp_path / "a.zarr", network.activity, dt=DT, drift=network.drift)
    return open_recording(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("first", "last", "n_frames"), [(90, 100, 200), (0, 1000, 20), (5, 10, 9)]
)
def test_frames_come_in_runs_whose_finite_difference_exists(first, last, n_frames) -> None:
    frames = consecutive_frames(range(first, last), n_frames=n_frames)
    assert (np.diff(frames.reshape(-1, 4)) == 1).all()
    assert frames.min() >= first
    assert frames.max() + 1 < last
    assert len(frames) <= max(n_frames, 4)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="4 frames are held out, at least 5"):
        consecutive_frames(range(4), n_frames=10)


def test_scores_equal_a_plain_computation(make_model, network, recording) -> None:
    model = make_model()
    model.scale = model.scale * 1.05
    held_out = range(5000, 6000)
    step = one_step(model, recording, held_out, kind="drift", n_frames=100)
    frames = consecutive_frames(held_out, n_frames=100)
    true = network.rate(network.activity[frames].astype(float))
    error = 0.05 * 10 * np.tanh(network.activity[frames].astype(float)) @ network.weight.T
    assert step.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-3)
    total = ((true - true.mean(axis=0)) ** 2).sum()
    assert step.r2 == pytest.approx(1 - (error**2).sum() / total, abs=1e-4)
    assert step.drift_rmse == pytest.approx(step.rmse)
    np.testing.assert_allclose(step.residual_variance, (error**2).mean(axis=0), rtol=1e-2)


def test_noise_is_told_from_misfit_by_consecutive_frames(make_model, network, tmp_path) -> None:
    noise = np.random.default_rng(0).standard_normal(network.drift.shape) * 0.2
    path = tmp_path / "noisy.zarr"
    recording_from_array(path, network.activity, dt=DT, drift=network.drift + noise)
    model = make_model()
    model.scale = model.scale * 1.1
    step = one_step(model, open_recording(path), range(2000, 6000), kind="drift", n_frames=4000)
    assert step.noise_variance.mean() == pytest.approx(0.04, rel=0.03)
    assert step.residual_variance.mean() > 0.2


def test_the_finite_difference_of_a_noise_free_recording_is_the_drift(
    make_model, recording
) -> None:
    step = one_step(make_model(), recording, range(5000, 6000), kind="finite_difference")
    assert step.r2 > 0.999999
    assert step.drift_r2 is not None and step.drift_r2 > 0.999999
