import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.analyse.gauge import canonical_truth
from neuralgnn.analyse.truth import Truth
from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.simulate.rate import RateEquation, assign_types
from neuralgnn.simulate.truth import truth_dataset


def simulated(kind: str) -> tuple[RateEquation, xr.Dataset]:
    """What a simulation of 14 neurons of three types knows."""
    shapes = [(1.0, 0.0), (2.0, 0.5), (4.0, -0.3)] if kind != "shared" else [(1.0, 0.0)] * 3
    rows = [
        {"decay": 1.0 + k, "offset": 0.2 * k, "gain": 10.0 - k, "width": w, "threshold": h}
        for k, (w, h) in enumerate(shapes)
    ]
    config = SimulationConfig.model_validate(
        {
            "n_neurons": 14,
            "n_frames": 100,
            "neuron_types": rows,
            "transfer": {"kind": kind, "function": "sigmoid"},
            "connectivity": {"kind": "gaussian"},
        }
    )
    weight = np.random.default_rng(0).standard_normal((14, 14)).astype(np.float32)
    np.fill_diagonal(weight, 0)
    equation = RateEquation.from_config(config, weight)
    return equation, truth_dataset(equation, assign_types(14, 3), low=-10, high=10)


@pytest.mark.parametrize("kind", ["shared", "sender", "pair"])
def test_tabulated_functions_add_up_to_the_simulated_rate(kind) -> None:
    equation, dataset = simulated(kind)
    truth = Truth.from_dataset(dataset)
    x = np.random.default_rng(1).uniform(-9, 9, (20, 14))
    rate = truth.update(x)
    for i, receiver in enumerate(truth.types):
        rate[:, i] += truth.gain[i] * truth.transfer(x, receiver=receiver) @ truth.weight[i]
    expected = equation.to(dtype=torch.float64)(torch.tensor(x))
    np.testing.assert_allclose(rate, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["shared", "sender"])
def test_the_canonical_truth_has_the_same_rate(kind) -> None:
    equation, dataset = simulated(kind)
    x = np.random.default_rng(1).uniform(-9, 9, (200, 14))
    true = canonical_truth(Truth.from_dataset(dataset), x)
    rate = true.update(x) + true.transfer(x) @ true.weight.T
    expected = equation.to(dtype=torch.float64)(torch.tensor(x))
    np.testing.assert_allclose(rate, expected, atol=1e-6)
    assert np.abs(true.transfer(np.zeros((1, 14)))).max() < 1e-9


def test_a_foreign_truth_is_refused() -> None:
    _, dataset = simulated("shared")
    with pytest.raises(ValueError, match="truth lacks gain, transfer"):
        Truth.from_dataset(dataset.drop_vars(["gain", "transfer"]))
    with pytest.raises(ValueError, match="it has 'odd'"):
        Truth.from_dataset(dataset.assign_attrs(transfer_kind="odd"))
