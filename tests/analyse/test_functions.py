import numpy as np
import pytest
import torch

from neuralgnn.analyse.functions import (
    functions_dataset,
    relative_error,
    time_constants,
    transfer_error,
    update_error,
)
from neuralgnn.analyse.gauge import canonical, canonical_truth
from neuralgnn.analyse.truth import Truth

from .conftest import COUPLING, DECAY

Q = 0.001


@pytest.fixture
def true(make_truth, sample):
    return canonical_truth(Truth.from_dataset(make_truth()), sample)


def test_relative_error_of_a_scaled_function_is_the_scale_minus_one() -> None:
    values = np.linspace(-1, 1, 50)[:, None]
    assert relative_error(1.1 * values, values) == pytest.approx(0.1)
    assert np.isnan(relative_error(values, 0 * values)).all()


def test_an_exact_model_has_no_error_in_any_gauge(make_model, true, sample) -> None:
    fitted = canonical(make_model(scale=-0.5, offset=0.7), sample)
    for errors in (
        update_error(fitted, true, sample, quantile=Q),
        transfer_error(fitted, true, sample, quantile=Q),
    ):
        assert max(errors.values()) < 1e-5


def test_update_error_equals_the_average_over_visited_activity(
    make_model, true, network, sample
) -> None:
    model = make_model()
    with torch.no_grad():
        model.embedding[:, 1] *= 1.5  # self-coupling half too strong
        model.embedding[:50, 0] *= 1.1
    errors = update_error(canonical(model, sample), true, sample, quantile=Q)
    each = []
    for i, kind in enumerate(network.types):
        low, high = np.quantile(sample[:, i], [Q, 1 - Q])
        x = sample[(sample[:, i] >= low) & (sample[:, i] <= high), i].astype(float)
        phi = -DECAY[kind] * x + COUPLING[kind] * np.tanh(x)
        wrong = phi + 0.5 * COUPLING[kind] * np.tanh(x) - 0.1 * DECAY[kind] * x * (i < 50)
        each.append(np.sqrt(((wrong - phi) ** 2).mean() / (phi**2).mean()))
    assert errors["update_error"] == pytest.approx(np.mean(each), rel=0.01)
    assert errors["update_error_worst"] == pytest.approx(np.max(each), rel=0.02)


def test_uniform_error_weighs_rare_activity_as_much_as_common(make_model, true, sample) -> None:
    model = make_model()
    model.width = torch.tensor(1.3)
    errors = transfer_error(canonical(model, sample), true, sample, quantile=Q)
    low, high = np.quantile(sample, [Q, 1 - Q])
    x = np.linspace(low, high, 20_001)
    scale = np.tanh(np.abs(np.quantile(sample, [0.01, 0.99])).max() / 1.3)
    psi = np.tanh(x / 1.3) / scale
    expected = np.sqrt(((psi - np.tanh(x)) ** 2).mean() / (np.tanh(x) ** 2).mean())
    assert errors["transfer_error_uniform"] == pytest.approx(expected, rel=0.02)
    assert errors["transfer_error"] > 1.3 * errors["transfer_error_uniform"]  # the bend is central


def test_time_constants_are_those_of_the_neurons(make_model, true, network, sample) -> None:
    expected = 1 / DECAY[network.types]
    learned = time_constants(canonical(make_model(offset=1.0), sample).update, sample)
    np.testing.assert_allclose(learned, expected, rtol=5e-3)
    np.testing.assert_allclose(learned, time_constants(true.update, sample), rtol=1e-4)


def test_a_neuron_whose_phi_rises_has_no_time_constant(sample) -> None:
    sign = np.where(np.arange(100) < 3, 2.0, -0.5)
    found = time_constants(lambda x: sign * x + 4.0, sample)
    assert np.isnan(found[:3]).all()
    assert found[3:] == pytest.approx(2.0)


def test_the_dataset_holds_functions_on_the_visited_range(
    make_model, true, network, sample
) -> None:
    fitted = canonical(make_model(), sample)
    dataset = functions_dataset(
        fitted, sample, quantile=Q, n_points=300, time_unit="s", true=true, types=network.types
    )
    assert dataset["learned_update"].dims == ("neuron", "activity")
    assert dict(dataset["learned_transfer"].sizes) == {"sender": 1, "activity": 300}
    assert dataset["true_update"].dims == dataset["true_transfer"].dims == ("type", "activity")
    assert dataset["type"].dims == ("neuron",)
    x = dataset["activity"].values
    np.testing.assert_allclose(
        dataset["true_update"].values,
        -DECAY[:, None] * x + COUPLING[:, None] * np.tanh(x),
        atol=1e-5,
    )
    np.testing.assert_allclose(dataset["learned_transfer"].values[0], np.tanh(x), atol=1e-5)
    low, high = np.quantile(sample, [Q, 1 - Q])
    assert dataset.attrs["visited_low"] == pytest.approx(low)
    assert x[0] < low < high < x[-1]
    inside = ((sample > x[0]) & (sample < x[-1])).mean()
    assert dataset["density"].values.sum() * (x[1] - x[0]) == pytest.approx(inside, abs=1e-3)


def test_without_truth_only_learned_functions_are_given(make_model, sample) -> None:
    fitted = canonical(make_model(), sample)
    dataset = functions_dataset(fitted, sample, quantile=Q, n_points=50, time_unit="s")
    assert not {"true_update", "true_transfer", "type"} & set(dataset.variables)
