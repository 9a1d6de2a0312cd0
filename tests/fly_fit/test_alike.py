"""Like pairs of neurons: what a noisy recording gains, and that unlike ones lose nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neuralgnn.data import Graph
from neuralgnn.train.varpro.alike import alike_prior, cluster_neurons, draw_alike
from neuralgnn.train.varpro.hats import Hats
from neuralgnn.train.varpro.sparse_fit import affine_model
from neuralgnn.train.varpro.sparse_rows import Frames, SparseSums, sum_frames

from .conftest import DT, Circuit

RECTIFIER = Hats(np.array([-3.0, 0.0, 3.0])), np.array([0.0, 0.0, 3.0])


def alike(circuit: Circuit) -> Circuit:
    """The same circuit with one weight for every pair of types."""
    pre, post = circuit.graph.pre, circuit.graph.post
    strength = np.random.default_rng(2).normal(0, 0.35, (5, 5))
    weight = strength[circuit.types[post], circuit.types[pre]]
    return replace(circuit, weight=np.where(post == circuit.silent, circuit.weight, weight))


def noisy(circuit: Circuit, n_frames: int, *, seed: int) -> Frames:
    """Activity with process noise, and its finite difference."""
    x, _, stimulus = circuit.simulate(n_frames + 1, noise=0.05, seed=seed)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])[:-1]
    parts = (x[:-1], np.diff(x, axis=0) / np.float32(DT), external)
    return Frames(*(torch.from_numpy(each.T.copy()) for each in parts))


def summed(circuit: Circuit) -> SparseSums:
    return sum_frames([noisy(circuit, 1500, seed=0)], circuit.graph, torch.nn.functional.relu)


def error(weight: torch.Tensor, circuit: Circuit) -> float:
    true = circuit.weight / circuit.time_constant[circuit.graph.post]
    return float(np.sqrt(((weight.numpy() - true) ** 2).mean() / (true**2).mean()))


@pytest.mark.parametrize(("same", "gain"), [(True, 0.6), (False, 1.0)])
def test_noisy_weights_gain_from_those_that_are_alike_and_others_do_not_lose(
    circuit: Circuit, same: bool, gain: float
) -> None:
    chosen = alike(circuit) if same else circuit
    sums = summed(chosen)
    rows = sums.solve(ridge=1e-8)
    after, _, numbers = draw_alike(
        sums,
        rows,
        lambda rows: affine_model(rows, *RECTIFIER, chosen.graph),
        noisy(chosen, 400, seed=1),
        ridge=1e-8,
        max_clusters=12,
        n_rounds=2,
        seed=0,
    )

    assert error(after.weight, chosen) < gain * error(rows.weight, chosen) + 1e-12
    assert numbers["n_clusters"] >= 5
    assert numbers["alike_rounds"] > 0 or not same


def test_clusters_follow_the_types_without_knowing_them(circuit: Circuit) -> None:
    rows = summed(alike(circuit)).solve(ridge=1e-8)
    labels = cluster_neurons(rows, circuit.graph, max_clusters=12, seed=0)
    # Whoever shares a cluster shares, mostly, a type.
    table = np.zeros((labels.max() + 1, 5))
    np.add.at(table, (labels, circuit.types), 1)

    assert table.max(axis=1).sum() / len(labels) > 0.75  # types B and C are close


def test_groups_are_pairs_of_clusters_at_one_distance_of_the_lattice(circuit: Circuit) -> None:
    graph = Graph(
        pre=np.array([0, 1, 2, 0]),
        post=np.array([1, 2, 3, 2]),
        n_neurons=4,
        u=np.array([0, 1, 2, 3]),
        v=np.zeros(4, dtype=int),
    )
    rows = summed(circuit).solve(ridge=1e-8)
    known = {"weight": [1.0, 1.2, 1.1, 9.0], "weight_error": [0.1] * 4, "resolution": [1.0] * 4}
    per_edge = {name: torch.tensor(values, dtype=torch.float64) for name, values in known.items()}
    per_neuron = {name: torch.ones(4, dtype=torch.float64) for name in ("leak", "residual")}
    rows = replace(rows, **per_edge, **per_neuron, n_frames=100)
    centre, ridge = alike_prior(rows, graph, np.zeros(4, dtype=int))

    # Three edges of distance one share a mean; the one of distance two is alone, drawn to zero.
    expected = torch.tensor([1.1, 1.1, 1.1, 0.0], dtype=torch.float64)
    torch.testing.assert_close(centre, expected, rtol=0.02, atol=0.0)
    assert (ridge[:3] > ridge[3]).all()
