import math

import numpy as np
import pytest
import torch

from neuralgnn.simulate import RateEquation, draw_weights
from neuralgnn.simulate.rate import PARAMETERS, assign_types
from neuralgnn.simulate.truth import truth_dataset

F = {
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}
KINDS = ["shared", "sender", "pair"]


def equation_of(config) -> RateEquation:
    weight = draw_weights(config.connectivity, n_neurons=config.n_neurons, seed=3)
    return RateEquation.from_config(config, weight)


def truth_of(config):
    types = assign_types(config.n_neurons, len(config.neuron_types))
    return truth_dataset(equation_of(config), types, low=-10.0, high=10.0)


def slow_drift(config, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The equation of the configuration's page, one connection at a time, in float64."""
    n = config.n_neurons
    block = n // len(config.neuron_types)
    rows = [config.neuron_types[min(i // block, len(config.neuron_types) - 1)] for i in range(n)]
    f = F[config.transfer.function]
    drift = np.zeros(n)
    for i, own in enumerate(rows):
        message = 0.0
        for j, sender in enumerate(rows):
            if config.transfer.kind == "shared":
                psi = f(x[j])
            elif config.transfer.kind == "sender":
                psi = f((x[j] - sender.threshold) / sender.width)
            else:
                psi = f((x[j] - sender.threshold) / own.width)
                psi -= config.transfer.slope * math.log(sender.width) * x[j]
            message += float(weight[i, j]) * psi
        drift[i] = (
            -own.decay * x[i] + own.offset + own.self_coupling * f(x[i]) + own.gain * message
        )
    return drift


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", ["tanh", "relu", "sigmoid"])
def test_drift_equals_the_sum_over_connections(assembly, kind: str, function: str) -> None:
    config = assembly(transfer=kind, function=function)
    equation = equation_of(config)
    x = 4 * np.random.default_rng(0).standard_normal(config.n_neurons)

    expected = slow_drift(config, equation.weight.numpy(), x)

    double = equation.to(dtype=torch.float64)(torch.from_numpy(x)).numpy()
    single = equation(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(double, expected, rtol=1e-6, atol=1e-6)  # parameters are float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_of_states_equals_one_by_one(assembly, kind: str) -> None:
    equation = equation_of(assembly(transfer=kind)).to(dtype=torch.float64)
    x = torch.randn(3, 2, 22, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    one_by_one = torch.stack([equation(row) for row in x.reshape(6, 22)]).reshape(x.shape)

    torch.testing.assert_close(equation(x), one_by_one)


@pytest.mark.parametrize("kind", KINDS)
def test_numbering_of_neurons_does_not_matter(assembly, kind: str) -> None:
    equation = equation_of(assembly(transfer=kind)).to(dtype=torch.float64)
    order = torch.randperm(22, generator=torch.Generator().manual_seed(0))
    renumbered = RateEquation(
        weight=equation.weight[order][:, order],
        **{name: getattr(equation, name)[order] for name in PARAMETERS},
        transfer=equation.transfer,
        function=equation.function,
        slope=equation.slope,
    )
    x = torch.randn(22, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(renumbered(x[order]), equation(x)[order])


def test_types_are_equal_blocks_and_the_last_takes_the_rest() -> None:
    counts = np.bincount(assign_types(1000, 32))

    assert counts.tolist() == [31] * 31 + [39]
    assert (np.diff(assign_types(1000, 32)) >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equation_comes_back_from_the_truth(assembly, kind: str) -> None:
    config = assembly(transfer=kind)
    x = torch.randn(5, 22, generator=torch.Generator().manual_seed(0))

    found = RateEquation.from_truth(truth_of(config))

    torch.testing.assert_close(found(x), equation_of(config)(x), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_network_follows_the_equation(assembly, kind: str) -> None:
    """Other weights, and the types in another order: as if configured so from the start."""
    config = assembly(transfer=kind)
    weight = np.random.default_rng(1).standard_normal((22, 22)).astype(np.float32)
    swapped = config.model_copy(update={"neuron_types": config.neuron_types[::-1]})
    types = 3 - assign_types(22, 4)
    x = torch.randn(22, generator=torch.Generator().manual_seed(0))

    changed = RateEquation.from_truth(truth_of(config), weight=weight, types=types)

    torch.testing.assert_close(changed(x), RateEquation.from_config(swapped, weight)(x))


def test_unknown_type_is_refused(assembly) -> None:
    with pytest.raises(ValueError, match=r"types has 4, but the recording has \[0, 1, 2, 3\]"):
        RateEquation.from_truth(truth_of(assembly()), types=np.full(22, 4))


def test_weights_of_another_size_are_refused(assembly) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 3\) for 22 neurons"):
        RateEquation.from_truth(truth_of(assembly()), weight=np.zeros((3, 3)))


def test_truth_without_a_parameter_is_refused(assembly) -> None:
    with pytest.raises(ValueError, match="truth lacks decay"):
        RateEquation.from_truth(truth_of(assembly()).drop_vars("decay"))


@pytest.mark.parametrize("kind", KINDS)
def test_tabulated_functions_add_up_to_the_drift(assembly, kind: str) -> None:
    """phi and psi read off the table, weighted and summed, are the equation."""
    config = assembly(transfer=kind)
    truth = truth_of(config)
    types = truth["type"].values
    position = np.random.default_rng(0).integers(0, truth.sizes["grid"], 22)
    x = truth["grid"].values[position]

    update = truth["update"].values[types, position]
    transfer = truth["transfer"].values[types[:, None], types[None, :], position[None, :]]
    drift = update + truth["gain"].values * (truth["weight"].values * transfer).sum(axis=1)

    expected = equation_of(config).to(dtype=torch.float64)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(drift, expected, rtol=1e-6, atol=1e-6)


def test_functions_are_tabulated_beyond_the_recorded_range(assembly) -> None:
    grid = truth_of(assembly())["grid"].values

    assert (grid[0], grid[-1], len(grid)) == (-12, 12, 2001)
