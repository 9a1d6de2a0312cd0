import numpy as np
import pytest

from neuralgnn.analyse.baselines import correlation, known_transfer, ridge_var
from neuralgnn.analyse.weights import compare_weights

from .conftest import GAIN


def test_known_transfer_is_exact_on_noise_free_activity(network) -> None:
    found = known_transfer(network.activity, network.drift)
    scores = compare_weights(found, GAIN * network.weight)
    assert scores["r2"] > 0.999999
    assert scores["slope"] == pytest.approx(1, abs=1e-5)
    assert not found.diagonal().any()


def test_known_transfer_equals_a_regression_of_each_neuron(network) -> None:
    x, y = network.activity[::20].astype(float), network.drift[::20]
    y = y + np.random.default_rng(0).standard_normal(y.shape)
    found = known_transfer(x, y)
    i = 7
    columns = np.column_stack([np.tanh(x), x[:, i], np.ones(len(x))])
    expected = np.linalg.lstsq(columns, y[:, i], rcond=None)[0][:100]
    expected[i] = 0
    np.testing.assert_allclose(found[i], expected, atol=1e-8)


def test_known_transfer_needs_as_many_frames_as_unknowns() -> None:
    with pytest.raises(ValueError, match="10 frames for 14 unknowns"):
        known_transfer(np.zeros((10, 12)), np.zeros((10, 12)))


def test_ridge_var_recovers_a_linear_network() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 8))
    x = rng.standard_normal((400, 8)) + 3
    found = ridge_var(x, x @ weight.T + 1.0, ridge=1e-12)
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(found[off], weight[off], atol=1e-8)
    assert np.abs(ridge_var(x, x @ weight.T, ridge=1e3)).max() < 0.01


def test_without_psi_weights_are_not_found(network) -> None:
    found = ridge_var(network.activity, network.drift)
    assert compare_weights(found, GAIN * network.weight)["pearson2"] < 0.3


def test_correlation_is_that_of_the_activities() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3))
    found = correlation(x)
    assert found[0, 2] == pytest.approx(np.corrcoef(x[:, 0], x[:, 2])[0, 1])
    assert not found.diagonal().any()
