import numpy as np
import pytest

from neuralgnn.analyse.baselines import known_transfer
from neuralgnn.analyse.identifiability import (
    ceiling_r2,
    identifiability_dataset,
    identifiable_directions,
    noise_error,
    sent_covariance,
)

from .conftest import DT, GAIN


def test_spectrum_and_inverse_are_those_of_the_covariance(sample) -> None:
    found = sent_covariance(np.tanh, sample, per_sender=False)
    covariance = np.cov(np.tanh(sample.astype(float)).T, bias=True)
    np.testing.assert_allclose(
        found.eigenvalues, np.linalg.eigvalsh(covariance)[::-1], rtol=1e-4, atol=1e-9
    )
    inverse = np.linalg.inv(covariance).diagonal()
    np.testing.assert_allclose(found.inverse_diagonal, inverse, rtol=1e-3)
    np.testing.assert_allclose(found.inflation, covariance.diagonal() * inverse, rtol=1e-3)


def test_functions_of_each_sender_are_kept_apart(sample) -> None:
    width = np.linspace(1, 8, 100)
    found = sent_covariance(lambda x: np.tanh(x / width), sample, per_sender=True)
    covariance = np.cov(np.tanh(sample / width).T, bias=True)
    assert found.eigenvalues.sum() == pytest.approx(np.trace(covariance), rel=1e-4)


def test_effective_rank_counts_equally_explored_directions() -> None:
    x = np.random.default_rng(0).standard_normal((20_000, 6))
    x[:, 4:] *= 1e-4
    found = sent_covariance(lambda x: x, x, per_sender=False)
    assert found.participation == pytest.approx(4, abs=0.01)
    assert found.entropy_rank == pytest.approx(4, abs=0.01)


def test_a_direction_without_variance_has_a_finite_but_huge_error() -> None:
    x = np.random.default_rng(0).standard_normal((500, 3))
    x[:, 2] = x[:, 0] - x[:, 1]
    found = sent_covariance(lambda x: x, x, per_sender=False)
    assert np.isfinite(found.inverse_diagonal).all()
    assert found.inverse_diagonal.min() > 1e12


def noisy_recording(network, *, std: float, n_frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = network.activity[0].astype(float)
    activity = np.empty((n_frames + 1, 100))
    for frame in range(-1000, n_frames + 1):
        if frame >= 0:
            activity[frame] = x
        x = x + DT * network.rate(x) + std * rng.standard_normal(100)
    return activity


def test_the_noise_bound_is_the_error_of_least_squares(network) -> None:
    std, n_frames = 0.5, 20_000
    activity = noisy_recording(network, std=std, n_frames=n_frames)
    x, off = activity[:-1], ~np.eye(100, dtype=bool)
    found = sent_covariance(np.tanh, x, per_sender=False)
    bound = noise_error(found.inverse_diagonal, noise_std=std, dt=DT, n_frames=n_frames).mean()

    noise = np.random.default_rng(1).standard_normal(x.shape) * std / DT
    independent = known_transfer(x, network.rate(x) + noise) - GAIN * network.weight
    assert (independent[off] ** 2).mean() == pytest.approx(bound, rel=0.05)
    # Noise that drives the network adds the bias of autoregression, which falls like 1 / T.
    process = known_transfer(x, np.diff(activity, axis=0) / DT) - GAIN * network.weight
    assert 1.0 < (process[off] ** 2).mean() / bound < 1.3


def test_the_ceiling_is_one_minus_noise_over_signal() -> None:
    assert ceiling_r2(0.25, 1.0) == 0.75
    assert np.isnan(ceiling_r2(0.25, 0.0))


def test_directions_count_as_identifiable_by_their_own_error(sample) -> None:
    found = sent_covariance(np.tanh, sample, per_sender=False)
    kept = identifiable_directions(
        found, residual_variance=1.0, weight_variance=1 / found.eigenvalues[9], n_frames=1
    )
    assert kept.shape == (100, 9)
    assert identifiable_directions(
        found, residual_variance=0.0, weight_variance=1.0, n_frames=1
    ).shape == (100, 100)


def test_the_dataset_predicts_r2_from_residuals(sample) -> None:
    found = sent_covariance(np.tanh, sample, per_sender=False)
    variance = np.linspace(0.5, 1.5, 100)
    dataset = identifiability_dataset(
        found,
        residual_variance=variance,
        noise_variance=variance / 4,
        weight_variance=2.0,
        n_train=5 * found.n_samples,
        time_unit="s",
    )
    mean_error = (dataset["standard_error"].values ** 2).mean()
    assert mean_error == pytest.approx(found.inverse_diagonal.mean() / found.n_samples)
    assert dataset.attrs["predicted_r2"] == pytest.approx(1 - mean_error / 2)
    assert dataset.attrs["ceiling_r2"] == pytest.approx(1 - mean_error / 40)
    assert dataset["explained"].values[-1] == pytest.approx(1)
    assert (np.diff(dataset["eigenvalue"].values) <= 0).all()
