"""Real edges told from false ones: by the activity where it speaks, by the wiring where not."""

import numpy as np
import pytest
from jaxtyping import Bool, Int

from neuralgnn.analyse.fly.scores import auroc
from neuralgnn.data.graph import Graph
from neuralgnn.simulate.fly.lattice import columns
from neuralgnn.train.varpro.edge_evidence import weigh_edges

_EXTENT, _N_TYPES, _N_KINDS = 4, 8, 100
_SILENT = 3  # a type that is never active


def _network(
    rng: np.random.Generator,
) -> tuple[Graph, Int[np.ndarray, " N"], Bool[np.ndarray, " E"]]:
    """Types in columns, wired alike in all of them, and as many edges again by chance."""
    places = columns(_EXTENT)
    column = {tuple(place): number for number, place in enumerate(places.tolist())}
    n = len(places) * _N_TYPES
    real = set()
    for _ in range(_N_KINDS):
        pre, post = rng.integers(_N_TYPES, size=2)
        step = rng.integers(-2, 3, size=2)
        for place in places:
            to = column.get(tuple(int(at) for at in place + step))
            if to is not None:
                real.add(
                    (
                        column[tuple(place.tolist())] * _N_TYPES + int(pre),
                        to * _N_TYPES + int(post),
                    )
                )
    false: set[tuple[int, int]] = set()
    while len(false) < len(real):
        edge = tuple(rng.integers(n, size=2).tolist())
        if edge not in real:
            false.add(edge)
    pre, post = np.array([*sorted(real), *sorted(false)]).T
    at = np.repeat(places, _N_TYPES, axis=0)
    graph = Graph(pre=pre, post=post, n_neurons=n, u=at[:, 0], v=at[:, 1])
    return graph, np.tile(np.arange(_N_TYPES), len(places)), np.arange(len(pre)) < len(real)


def test_real_edges_are_told_from_false_ones_even_of_a_sender_that_is_silent() -> None:
    rng = np.random.default_rng(0)
    graph, types, real = _network(rng)
    n_edges = graph.n_edges
    error = 0.05 * rng.lognormal(0, 1, n_edges)
    size = rng.lognormal(-1.5, 1.5, (_N_TYPES, _N_TYPES))
    true = np.where(real, size[types[graph.pre], types[graph.post]], 0.0)
    silent = types[graph.pre] == _SILENT
    resolution = np.where(silent, 0.0, 1.0)
    weight = resolution * (true + 2.0 * error * rng.standard_normal(n_edges))  # twice as said

    found = weigh_edges(graph, weight, error, resolution, max_clusters=20, seed=0)

    assert silent[real].any() and silent[~real].any()
    np.testing.assert_array_equal(found.activity[silent], 0)
    assert auroc(np.abs(weight), real) < 0.96
    assert auroc(found.activity, real) < 0.97
    assert auroc(found.posterior, real) > 0.995
    assert auroc(found.posterior[silent], real[silent]) > 0.99
    kept = found.posterior > 0
    assert real[kept].mean() > 0.95 and kept[real].mean() > 0.95
    # An error twice as large as it is said to be does not make false edges real.
    assert (found.activity[~real & ~silent] > 3).mean() < 0.02


def test_where_all_edges_are_real_none_is_doubted() -> None:
    rng = np.random.default_rng(1)
    graph, types, real = _network(rng)
    graph = Graph(
        pre=graph.pre[real], post=graph.post[real], n_neurons=graph.n_neurons, u=graph.u, v=graph.v
    )
    weight = rng.normal(0, 1, (_N_TYPES, _N_TYPES))[types[graph.pre], types[graph.post]]
    certain = np.ones(graph.n_edges)

    found = weigh_edges(graph, weight, 1e-3 * certain, certain, max_clusters=20, seed=0)

    assert (found.posterior > 0).mean() > 0.99


def test_weights_known_without_error_and_graphs_without_places() -> None:
    rng = np.random.default_rng(2)
    graph, _, real = _network(rng)
    certain = np.ones(graph.n_edges)

    found = weigh_edges(graph, real.astype(float), 0 * certain, certain, max_clusters=20, seed=0)

    assert auroc(found.posterior, real) == 1.0
    nowhere = Graph(pre=graph.pre, post=graph.post, n_neurons=graph.n_neurons)
    with pytest.raises(ValueError, match="without places"):
        weigh_edges(nowhere, real.astype(float), certain, certain, max_clusters=20, seed=0)
