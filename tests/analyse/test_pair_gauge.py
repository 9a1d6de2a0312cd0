"""Models whose transfer function depends on sender and receiver, in the gauge of every pair."""

import numpy as np
import pytest
import torch

from neuralgnn.analyse.evaluate import drift_at
from neuralgnn.analyse.functions import functions_dataset, transfer_error
from neuralgnn.analyse.gauge import canonical, canonical_truth, visited_range
from neuralgnn.analyse.rollout import learned_drift
from neuralgnn.analyse.truth import Truth
from neuralgnn.models import AssemblyGNN

N = 8


@pytest.fixture
def activity() -> np.ndarray:
    return np.random.default_rng(0).normal(scale=3, size=(500, N)).astype(np.float32)


def build(*, scale: float = 1.0) -> AssemblyGNN:
    """One network, written with a psi that is ``scale`` times as large."""
    generator = torch.Generator().manual_seed(0)
    model = AssemblyGNN(
        N,
        transfer_input="pair",
        transfer_terms=3,
        hidden=8,
        activation="tanh",
        generator=generator,
    )
    with torch.no_grad():
        model.embedding.normal_(generator=generator)
        model.weight.normal_(generator=generator)
        for parameter in model.transfer.parameters():
            parameter.normal_(generator=generator)
        for share in model.transfer.shares:
            share.layers[-1].weight.mul_(scale)
            share.layers[-1].bias.mul_(scale)
        model.weight.div_(scale)
    return model


def test_the_canonical_form_of_a_pair_model_has_its_rate_of_change(activity: np.ndarray) -> None:
    model = build()
    fitted, x = canonical(model, activity), activity[:20]

    rate = fitted.update(x)
    for i in range(N):
        rate[:, i] += fitted.transfer_to(i, x) @ fitted.weight[i]

    np.testing.assert_allclose(rate, drift_at(model, x), atol=1e-4)


@pytest.mark.parametrize("scale", [3.0, -0.2])
def test_every_gauge_of_a_pair_model_has_the_same_canonical_form(
    activity: np.ndarray, scale: float
) -> None:
    plain, other = canonical(build(), activity), canonical(build(scale=scale), activity)

    np.testing.assert_allclose(other.weight, plain.weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        other.transfer_to(2, activity[:9]), plain.transfer_to(2, activity[:9]), atol=1e-4
    )


def test_psi_of_every_pair_is_zero_at_rest_and_has_unit_size(activity: np.ndarray) -> None:
    fitted = canonical(build(), activity)
    grid = np.linspace(*visited_range(activity, per_sender=True), 2001)

    for receiver in range(N):
        values = fitted.transfer_to(receiver, grid)
        assert np.abs(fitted.transfer_to(receiver, np.zeros((1, N)))).max() < 1e-6
        np.testing.assert_allclose(np.abs(values).max(axis=0), 1, atol=1e-3)


def test_a_pair_model_is_rolled_out_with_its_own_rate(activity: np.ndarray) -> None:
    model, x = build(), activity[:5]
    with torch.no_grad():
        rate = learned_drift(model)(torch.as_tensor(x))

    np.testing.assert_allclose(rate, drift_at(model, x), rtol=1e-4, atol=1e-4)


def test_the_truth_has_no_error_against_itself_but_against_a_psi_of_the_sender(
    make_truth, sample
) -> None:
    true = canonical_truth(Truth.from_dataset(make_truth("pair")), sample)
    other = canonical_truth(Truth.from_dataset(make_truth("sender")), sample)

    assert transfer_error(true, true, sample, quantile=0.01)["transfer_error_worst"] == 0
    assert transfer_error(other, true, sample, quantile=0.01)["transfer_error"] > 0.05


def test_functions_of_pairs_are_stored_by_type_of_receiver(make_truth, network, sample) -> None:
    true = canonical_truth(Truth.from_dataset(make_truth("pair")), sample)
    dataset = functions_dataset(
        true, sample, quantile=0.01, n_points=30, time_unit="s", true=true, types=network.types
    )

    learned, known = dataset["learned_pair_transfer"], dataset["true_pair_transfer"]
    drawn = learned * dataset["pair_transfer_unit"]
    for kind in np.unique(network.types):  # all of a type over one curve
        one = drawn.values[:, network.types == kind]
        np.testing.assert_allclose(
            one, np.repeat(known.values[:, [kind]], one.shape[1], 1), atol=0.02
        )
    assert learned.dims == ("receiver_type", "sender", "activity")
    assert known.dims == ("receiver_type", "type", "activity")
    x = np.repeat(dataset["activity"].values[:, None], len(network.types), axis=1)
    receiver = int(np.flatnonzero(network.types == 2)[0])
    np.testing.assert_allclose(
        learned.sel(receiver_type=2).values.T, true.transfer_to(receiver, x), atol=1e-5
    )
