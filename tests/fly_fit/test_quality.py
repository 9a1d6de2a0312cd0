"""What a fit says of its own numbers, beside how far they are off."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.analyse.fly.quality import NeuronQuality, neuron_quality
from neuralgnn.analyse.fly.scores import r2
from neuralgnn.data import Graph
from neuralgnn.train.varpro.sparse_rows import SparseRows, solve_sparse_rows
from neuralgnn.train.varpro.sparse_sums import Frames

from .conftest import DT, Circuit

N_FRAMES = 1500


@pytest.fixture(scope="module")
def looped(circuit: Circuit) -> Circuit:
    """Six neurons that are always above threshold excite themselves: a smaller leak."""
    graph = circuit.graph
    lowest = circuit.simulate(N_FRAMES, noise=0.02, seed=3)[0].min(axis=0)
    active = np.flatnonzero(lowest > 0.1)[:6]
    pre, post = np.append(graph.pre, active), np.append(graph.post, active)
    weight = np.append(circuit.weight, np.full(len(active), 0.2))
    order = np.lexsort((pre, post))
    ordered = Graph(pre=pre[order], post=post[order], n_neurons=graph.n_neurons)
    return replace(circuit, graph=ordered, weight=weight[order])


def solved(circuit: Circuit, target: str, *, ridge: float, noise: float = 0.02) -> SparseRows:
    x, rates, stimulus = circuit.simulate(N_FRAMES + 1, noise=noise, seed=3)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])
    y = rates[:-1] if target == "drift" else np.diff(x, axis=0) / np.float32(DT)
    parts = (x[:-1], y, external[:-1])
    frames = Frames(*(torch.from_numpy(each.T.copy()) for each in parts))
    return solve_sparse_rows([frames], circuit.graph, torch.nn.functional.relu, ridge=ridge)


def quality_of(rows: SparseRows) -> NeuronQuality:
    quality = neuron_quality(
        {each.name: getattr(rows, each.name) for each in fields(NeuronQuality)}
    )
    assert quality is not None
    return quality


def constants(circuit: Circuit) -> Constants:
    return Constants(circuit.weight, circuit.time_constant, circuit.resting_potential)


@pytest.mark.parametrize("ridge", [1e-8, 1e-3])
def test_what_neurons_take_over_of_undecided_weights_is_what_they_are_off_by(
    looped: Circuit, ridge: float
) -> None:
    rows, graph = solved(looped, "drift", ridge=ridge), looped.graph
    post = torch.as_tensor(graph.post)
    weight = torch.as_tensor(looped.weight / looped.time_constant[graph.post])
    leak = 1 / looped.time_constant
    loops = graph.post[graph.pre == graph.post]

    assert len(loops) == 6
    assert (np.abs(rows.leak.numpy() * looped.time_constant - 0.8)[loops] < 0.1).all()
    for found, share, true in (
        (rows.leak, rows.leak_share, leak),
        (rows.drive, rows.drive_share, looped.resting_potential * leak),
    ):
        expected = torch.as_tensor(true).index_add(0, post, share * weight)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_the_ceiling_of_resting_potentials_is_what_a_fit_without_noise_reaches(
    looped: Circuit,
) -> None:
    rows = solved(looped, "drift", ridge=1e-8)
    ceilings = quality_of(rows).ceilings(constants(looped), looped.graph)
    found = {"time_constant": 1 / rows.leak, "resting_potential": rows.drive / rows.leak}
    for name, values in found.items():
        reached = r2(values.numpy(), getattr(looped, name))
        assert reached < 0.9999
        assert 1 - ceilings[f"{name}_r2"] == pytest.approx(1 - reached, rel=0.02)


def test_standard_errors_of_constants_are_as_large_as_their_errors(circuit: Circuit) -> None:
    rows = solved(circuit, "finite_difference", ridge=0.0, noise=0.05)
    quality = quality_of(rows)
    for found, error, true in (
        (rows.leak, quality.leak_error, 1 / circuit.time_constant),
        (rows.drive / rows.leak, quality.rest_error, circuit.resting_potential),
    ):
        z = np.abs(found.numpy() - true) / error
        assert 0.8 < np.quantile(z, 0.68) < 1.25


def test_a_fit_that_says_nothing_of_its_neurons_has_no_ceilings() -> None:
    assert neuron_quality({"leak_error": torch.ones(3)}) is None
