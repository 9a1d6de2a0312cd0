"""What neurons of one type say of each other: shared constants, and which edges are real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.analyse.fly.quality import edge_quality
from neuralgnn.analyse.fly.weights import weights_dataset
from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Graph
from neuralgnn.models import load_sparse_model
from neuralgnn.simulate.fly.lattice import columns
from neuralgnn.train.varpro import alike
from neuralgnn.train.varpro.alike import share_alike
from neuralgnn.train.varpro.sparse_rows import SparseRows, SparseSums, sum_frames
from neuralgnn.train.varpro.sparse_run import run_graph_varpro
from neuralgnn.train.varpro.sparse_sums import Frames, Measurement
from neuralgnn.train.varpro.wiring import cluster_by_wiring

from .conftest import DT, Circuit

SETTINGS = {"ridge": 1e-8, "max_clusters": 12, "tolerance": 0.05, "seed": 0}
N_TYPES = 6  # of the lattice's circuit; its last two are wired alike


@pytest.fixture(scope="module")
def lattice() -> Circuit:
    """Sixty-one columns of six types, each with its own senders; the first sees light."""
    rng = np.random.default_rng(3)
    where = columns(4)
    n_columns = len(where)
    number = {tuple(each): column for column, each in enumerate(where.tolist())}
    steps = [(0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, -1), (-1, 1)]
    edges, weight = [], []
    for receiver in range(N_TYPES):
        wired = min(receiver, N_TYPES - 2)
        chosen = np.random.default_rng(10 + wired)  # alike for the last two
        for sender in range(N_TYPES - 2):
            for step in chosen.permutation(7)[: 1 + (receiver > 0)]:
                strength = rng.normal(0, 0.3)
                for column, (u, v) in enumerate(where.tolist()):
                    source = number.get((u + steps[step][0], v + steps[step][1]))
                    if source is not None and (receiver, column) != (sender, source):
                        edges.append((sender * n_columns + source, receiver * n_columns + column))
                        weight.append(strength)
    pre, post = np.array(edges).T
    place = np.tile(where, (N_TYPES, 1))
    graph = Graph(pre=pre, post=post, n_neurons=N_TYPES * n_columns, u=place[:, 0], v=place[:, 1])
    types = np.repeat(np.arange(N_TYPES), n_columns)
    tau = np.array([0.021, 0.05, 0.1, 0.03, 0.2, 0.06])[types]
    rest = np.array([0.3, 0.4, 0.4, 0.5, 0.2, 0.6])[types]
    return Circuit(graph, np.array(weight), tau, rest, types, np.empty(0), silent=-1)


def frames(circuit: Circuit, n_frames: int, *, target: str, measured: float = 0.0) -> Frames:
    """Activity with process noise, its drift or finite difference, and noise of a recording."""
    x, rates, stimulus = circuit.simulate(n_frames + 1, noise=0.05, seed=0)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])[:-1]
    noise = np.random.default_rng(1).normal(0, measured, x.shape).astype(np.float32)
    if target == "drift":
        y = rates[:-1] + np.diff(noise, axis=0) / np.float32(DT)
    else:
        y = np.diff(x + noise, axis=0) / np.float32(DT)
    parts = ((x + noise)[:-1], y, external)
    return Frames(*(torch.from_numpy(each.T.copy()) for each in parts))


def summed(
    circuit: Circuit, *, target: str = "finite_difference", measured: float = 0.0
) -> SparseSums:
    return sum_frames(
        [frames(circuit, 1500, target=target, measured=measured)],
        circuit.graph,
        torch.nn.functional.relu,
        measurement=Measurement(measured, DT) if measured else None,
    )


def error(rows: SparseRows, circuit: Circuit) -> float:
    """Of weights over time constants, relative to their size."""
    true = circuit.weight / circuit.time_constant[circuit.graph.post]
    return float(np.sqrt(((rows.weight.numpy() - true) ** 2).mean() / (true**2).mean()))


def without(circuit: Circuit, share: float) -> tuple[Circuit, np.ndarray]:
    """The circuit as a model sees it that lacks some edges, and which are left."""
    graph = circuit.graph
    kept = np.random.default_rng(4).random(graph.n_edges) >= share
    places = {"u": graph.u, "v": graph.v}
    seen = Graph(pre=graph.pre[kept], post=graph.post[kept], n_neurons=graph.n_neurons, **places)
    return replace(circuit, graph=seen, weight=circuit.weight[kept]), kept


def test_noisy_weights_gain_from_those_that_are_alike(lattice: Circuit) -> None:
    sums = summed(lattice)
    rows = sums.solve(ridge=1e-8)
    after, numbers = share_alike(sums, rows, **SETTINGS)

    assert error(after, lattice) < 0.3 * error(rows, lattice)
    assert numbers == {"n_clusters": N_TYPES, "n_sharing": len(lattice.types)}


def test_unlike_weights_are_not_shared(lattice: Circuit) -> None:
    weight = np.random.default_rng(6).normal(0, 0.3, len(lattice.weight))
    sums = summed(replace(lattice, weight=weight), target="drift")
    rows = sums.solve(ridge=1e-8)
    after, numbers = share_alike(sums, rows, **SETTINGS | {"tolerance": 1e-3})

    assert numbers["n_sharing"] == 0
    assert torch.equal(after.weight, rows.weight)


def test_neurons_with_thousands_of_random_edges_keep_their_own(
    lattice: Circuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "_MOST_WEIGHTS", 3)
    sums = summed(lattice, target="drift")
    rows = sums.solve(ridge=1e-8)
    after, numbers = share_alike(sums, rows, **SETTINGS)

    kept = torch.as_tensor(np.diff(lattice.graph.indptr) > 3)
    assert torch.equal(after.leak[kept], rows.leak[kept])
    assert numbers["n_sharing"] <= int((~kept).sum())


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_wiring_tells_types_at_the_border_and_with_edges_missing(
    lattice: Circuit, share: float
) -> None:
    seen, _ = without(lattice, share)
    labels = cluster_by_wiring(seen.graph, max_clusters=12, seed=0)
    wired = np.minimum(lattice.types, N_TYPES - 2)
    table = np.zeros((labels.max() + 1, N_TYPES - 1))
    np.add.at(table, (labels, wired), 1)

    assert table.max(axis=1).sum() / len(labels) > (0.99 if share == 0 else 0.95)


def test_wiring_says_nothing_without_places(circuit: Circuit) -> None:
    with pytest.raises(ValueError, match="without places"):
        cluster_by_wiring(circuit.graph, max_clusters=5, seed=0)


def test_types_that_are_wired_alike_are_told_apart_by_what_they_do(lattice: Circuit) -> None:
    sums = summed(lattice, target="drift")
    rows, numbers = share_alike(sums, sums.solve(ridge=1e-8), **SETTINGS)
    twins = lattice.types >= N_TYPES - 2
    tau, rest = 1 / rows.leak.numpy(), (rows.drive / rows.leak).numpy()

    assert numbers["n_sharing"] == len(lattice.types)
    assert error(rows, lattice) < 1e-4
    np.testing.assert_allclose(tau[twins], lattice.time_constant[twins], rtol=1e-4)
    np.testing.assert_allclose(rest[twins], lattice.resting_potential[twins], rtol=1e-4)


def test_neurons_with_all_their_inputs_speak_for_those_that_lack_some(lattice: Circuit) -> None:
    seen, _ = without(lattice, 0.05)
    sums = sum_frames(
        [frames(lattice, 1500, target="drift")], seen.graph, torch.nn.functional.relu
    )
    rows = sums.solve(ridge=1e-8)
    after, _ = share_alike(sums, rows, **SETTINGS)
    rest = (after.drive / after.leak).numpy()

    assert error(rows, seen) > 0.05
    assert error(after, seen) < 0.005
    assert np.median(np.abs(rest / lattice.resting_potential - 1)) < 1e-3


def test_known_measurement_noise_is_taken_from_all_neurons_of_a_type(lattice: Circuit) -> None:
    sums = summed(lattice, target="drift", measured=0.1)
    own = sums.solve(ridge=1e-8)
    seen = sums.solve(ridge=1e-8, take_noise=False)
    after, _ = share_alike(sums, own, **SETTINGS)
    tau = 1 / after.leak.numpy()

    assert error(after, lattice) < min(0.7 * error(own, lattice), 0.4 * error(seen, lattice))
    assert np.median(np.abs(tau / lattice.time_constant - 1)) < 0.03


def test_a_fit_says_which_of_its_edges_are_real(lattice: Circuit, tmp_path: Path) -> None:
    """Also where little is known: a type that hardly ever fires, and the drift hidden by noise."""
    graph, rng = lattice.graph, np.random.default_rng(5)
    real = set(zip(graph.pre.tolist(), graph.post.tolist(), strict=True))
    drawn = rng.integers(graph.n_neurons, size=(graph.n_edges, 2)).tolist()
    false = sorted({(pre, post) for pre, post in drawn if pre != post} - real)
    pre, post = np.concatenate([np.column_stack([graph.pre, graph.post]), false]).T
    doubted = replace(
        lattice,
        graph=Graph(pre=pre, post=post, n_neurons=graph.n_neurons, u=graph.u, v=graph.v),
        weight=np.concatenate([lattice.weight, np.zeros(len(false))]),
        resting_potential=np.where(lattice.types == 3, 0.0, lattice.resting_potential),
    )
    recording = doubted.write(tmp_path / "activity.zarr", 2500, noise=0.05, seed=0)
    settings = {"starts": ["linear"], "n_search_samples": 700, "n_knots": 12, "n_receivers": 50}
    settings |= {"kind": "varpro_graph", "n_samples": 2000, "doubtful_edges": {"max_clusters": 12}}
    fit = {"target": {"kind": "finite_difference"}, "trainer": settings}
    run_graph_varpro(
        recording,
        FitConfig.model_validate(fit),
        out=tmp_path / "fit",
        state=tmp_path / "state",
        seed=0,
        device=torch.device("cpu"),
        progress=False,
    )
    (checkpoint,) = (tmp_path / "fit").glob("checkpoint_*.pt")
    model, about = load_sparse_model(checkpoint)
    quality = edge_quality(model, doubted.graph, about["extra"])
    drive, leak, gain = model.embedding.detach().double().numpy().T
    weight = model.weight.detach().double().numpy() * (gain / leak)[post]
    learned = Constants(weight, 1 / leak, drive / leak)
    true = Constants(doubted.weight, doubted.time_constant, doubted.resting_potential)

    dataset, found, _ = weights_dataset(
        doubted.graph, learned, learned, true, doubted.truth(), quality
    )

    assert found["weights_auroc_null"] < 0.95
    assert found["weights_auroc_null"] < found["edges_auroc_activity"] + 0.02
    assert found["edges_auroc"] > 0.99
    assert found["edges_precision"] > 0.97 and found["edges_recall"] > 0.9
    odds = dataset["log_odds"].values
    assert (odds[: graph.n_edges] > 0).mean() > 0.9 > 0.1 > (odds[graph.n_edges :] > 0).mean()
