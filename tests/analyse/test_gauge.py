import numpy as np
import pytest

from neuralgnn.analyse.evaluate import drift_at
from neuralgnn.analyse.gauge import (
    canonical,
    canonical_truth,
    find_gauge,
    published_grid,
    published_plateau,
    published_weights,
    visited_range,
)
from neuralgnn.analyse.truth import Truth
from neuralgnn.analyse.weights import compare_weights, published_scores

from .conftest import COUPLING, DECAY, GAIN, WIDTH

GRID = np.linspace(-15, 15, 61)


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (-0.2, 0.0), (1.0, 0.7), (-2.0, -1.3)])
def test_every_gauge_of_one_network_has_the_same_canonical_form(
    make_model, sample, scale, offset
) -> None:
    plain = canonical(make_model(), sample)
    other = canonical(make_model(scale=scale, offset=offset), sample)
    np.testing.assert_allclose(other.weight, plain.weight, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(other.update_curves(GRID), plain.update_curves(GRID), atol=3e-5)
    np.testing.assert_allclose(other.transfer_curves(GRID), plain.transfer_curves(GRID), atol=3e-6)


def test_canonical_psi_is_zero_at_rest_increases_and_has_unit_size(make_model, sample) -> None:
    fitted = canonical(make_model(scale=-2.0, offset=0.4), sample)
    (low,), (high,) = visited_range(sample, per_sender=False)
    values = fitted.transfer(np.linspace(low, high, 5001)[:, None])[:, 0]
    assert abs(fitted.transfer(np.zeros((1, 1))).item()) < 1e-6
    assert np.abs(values).max() == pytest.approx(1, abs=1e-6)
    assert values[-1] > 0 > values[0]
    assert not fitted.weight.diagonal().any()


def test_the_canonical_form_has_the_models_rate_of_change(make_model, sample) -> None:
    model = make_model(scale=-2.0, offset=0.4)
    fitted, x = canonical(model, sample), sample[:20]
    rate = fitted.update(x) + fitted.transfer(x) @ fitted.weight.T
    np.testing.assert_allclose(rate, drift_at(model, x), atol=1e-4)


def test_a_perfect_model_has_slope_one(make_model, make_truth, sample) -> None:
    truth = Truth.from_dataset(make_truth())
    true = canonical_truth(truth, sample)
    scores = compare_weights(
        canonical(make_model(scale=0.3, offset=-0.2), sample).weight, true.weight
    )
    assert scores["r2"] == pytest.approx(1, abs=1e-9)
    assert scores["slope"] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(true.weight, GAIN * truth.weight, rtol=1e-6)


def test_scales_of_each_sender_are_told_apart(make_model, make_truth, network, sample) -> None:
    scale = np.linspace(0.2, 4, 100) * np.tile([1, -1], 50)
    true = canonical_truth(Truth.from_dataset(make_truth("sender")), sample)
    fitted = canonical(make_model(scale=scale, offset=0.3, kind="sender"), sample)
    scores = compare_weights(fitted.weight, true.weight)
    assert scores["r2"] == pytest.approx(1, abs=1e-8)
    assert scores["slope"] == pytest.approx(1, abs=1e-5)
    low, high = np.quantile(sample, [0.01, 0.99], axis=0)  # tanh(x / 8) does not saturate there
    size = np.tanh(np.maximum(-low, high) / WIDTH[network.types])
    np.testing.assert_allclose(true.weight, GAIN * network.weight * size, rtol=1e-5)


def test_true_psi_of_receiver_and_sender_scales_each_block(make_truth, network, sample) -> None:
    true = canonical_truth(Truth.from_dataset(make_truth("pair")), sample)
    low, high = np.quantile(sample, [0.01, 0.99], axis=0)
    i, j = 5, 80  # types 0 and 3
    x = np.linspace(low[j], high[j], 4001)
    psi = np.tanh(x / WIDTH[0]) - 0.02 * np.log(WIDTH[3]) * x
    sign = np.sign(np.polyfit(x, psi, 1)[0])
    expected = sign * np.abs(psi).max() * GAIN * network.weight[i, j]
    assert true.weight[i, j] == pytest.approx(expected, rel=1e-4)


def test_an_offset_of_the_true_psi_moves_into_phi(make_truth, network, sample) -> None:
    dataset = make_truth()
    dataset["transfer"] = dataset["transfer"] + 0.5
    true = canonical_truth(Truth.from_dataset(dataset), sample)
    types = network.types
    expected = -DECAY[types] * 2 + COUPLING[types] * np.tanh(2.0)
    expected = expected + 0.5 * GAIN * network.weight.sum(axis=1)
    np.testing.assert_allclose(true.update(np.full((1, 100), 2.0))[0], expected, atol=1e-4)


def test_a_constant_psi_keeps_its_unit() -> None:
    gauge = find_gauge(lambda x: np.full(x.shape, 3.0), np.array([-1.0]), np.array([1.0]))
    assert gauge.scale.tolist() == [1.0]
    assert gauge.offset.tolist() == [3.0]


def test_activity_that_does_not_vary_is_refused() -> None:
    with pytest.raises(ValueError, match="activity of 1 of 2 neurons does not vary"):
        visited_range(np.array([[0.0, 1.0], [0.0, 2.0]]), per_sender=True)


# The published correction: bias of a perfect model, by sender type.


def cauchy(n: int) -> tuple[np.ndarray, np.ndarray]:
    weight = np.random.default_rng(0).standard_cauchy((n, n))
    weight[np.abs(weight) > 25] = 0
    return weight, np.arange(n) * 4 // n


def published_bias(psi, *, end: float, method: str) -> dict[str, float]:
    """Published scores of a model that equals the truth, gain 10."""
    weight, types = cauchy(1000)
    grid = np.linspace(0.8 * end, end, 1000)
    plateau = published_plateau(np.stack([psi(grid, w) for w in WIDTH], axis=1), method=method)
    return published_scores(GAIN * weight * plateau[types] / 10, weight)


def test_published_correction_scores_a_perfect_model_of_supplement_13_as_derived() -> None:
    scores = published_bias(lambda x, w: np.tanh(x / w), end=10, method="max")
    assert scores["slope"] == pytest.approx(0.959, abs=2e-3)
    assert scores["r2"] == pytest.approx(0.9956, abs=5e-4)


def test_published_correction_scores_a_perfect_model_of_figure_3_as_derived() -> None:
    scores = published_bias(lambda x, w: np.tanh(x / w), end=13, method="median")
    assert scores["slope"] == pytest.approx(0.973, abs=2e-3)
    assert scores["r2"] == pytest.approx(0.998, abs=5e-4)


def test_published_correction_scores_a_perfect_model_of_supplement_14_as_derived() -> None:
    def psi(x, w):
        return np.tanh(x / w) - x * np.log(w) / 50

    scores = published_bias(psi, end=10, method="max")
    assert scores["slope"] == pytest.approx(0.766, abs=5e-3)
    assert scores["r2"] == pytest.approx(0.929, abs=5e-3)


def test_published_correction_of_a_shared_saturating_psi_is_unbiased(
    make_model, network, sample
) -> None:
    corrected = published_weights(make_model(scale=-0.4), sample)
    assert published_scores(corrected, network.weight)["slope"] == pytest.approx(1, abs=1e-4)
    end = np.round(1.5 * sample.std())
    assert published_grid(sample)[[0, -1]] == pytest.approx([0.8 * end, end])
