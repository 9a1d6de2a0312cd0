"""The circuit by cell types: sums and fields against loops over all edges, table, figure."""

from itertools import pairwise

import numpy as np
import pytest

from neuralgnn.analyse.fly.circuit import circuit_dataset, circuit_rows
from neuralgnn.data import Graph
from neuralgnn.plot.figures import FIGURES

NAMES = ["near", "far", "lone"]


def lattice_graph() -> tuple[Graph, np.ndarray, np.ndarray]:
    """Two types in each of 19 columns, the second sends to the first from up to two columns off;
    the third has one cell.
    """
    rng = np.random.default_rng(0)
    places = [(u, v) for u in range(-2, 3) for v in range(-2, 3) if abs(u + v) <= 2]
    n = len(places)
    u, v = (np.array([*axial, *axial, 0]) for axial in zip(*places, strict=True))
    acting = rng.random((2 * n + 1, 2 * n + 1)) < 0.3
    acting[:, :n] = acting[n:-1] = False
    post, pre = np.nonzero(acting)
    graph = Graph(pre=pre, post=post, n_neurons=2 * n + 1, u=u, v=v)
    return graph, np.repeat([0, 1, 2], [n, n, 1]), rng.normal(size=len(pre))


def test_sums_and_fields_are_those_of_all_edges() -> None:
    graph, labels, weight = lattice_graph()
    assert graph.u is not None and graph.v is not None
    circuit = circuit_dataset(graph, labels, NAMES, {"learned": weight, "true": 2 * weight})

    for at in range(circuit.sizes["pair"]):
        post, pre = (int(circuit[f"{side}_type"][at]) for side in ("post", "pre"))
        own = (labels[graph.post] == post) & (labels[graph.pre] == pre)
        assert int(circuit["n_edges"][at]) == own.sum() > 0
        total = weight[own].sum() / (labels == post).sum()
        assert float(circuit["learned_total"][at]) == pytest.approx(total)
        assert float(circuit["true_total"][at]) == pytest.approx(2 * total)
    assert int(circuit["n_edges"].sum()) == int(circuit["n_entry_edges"].sum()) == graph.n_edges
    for at in range(0, circuit.sizes["entry"], 7):
        pair = int(circuit["entry_pair"][at])
        own = labels[graph.post] == int(circuit["post_type"][pair])
        own &= labels[graph.pre] == int(circuit["pre_type"][pair])
        own &= graph.u[graph.pre] - graph.u[graph.post] == int(circuit["du"][at])
        own &= graph.v[graph.pre] - graph.v[graph.post] == int(circuit["dv"][at])
        assert float(circuit["learned_mean"][at]) == pytest.approx(weight[own].mean())
        assert float(circuit["learned_spread"][at]) == pytest.approx(weight[own].std(), abs=1e-12)


def test_rows_have_the_strongest_input_of_each_type_first() -> None:
    graph, labels, weight = lattice_graph()
    rows = circuit_rows(circuit_dataset(graph, labels, NAMES, {"learned": weight}))

    assert [row["post_type"] for row in rows] == sorted(
        (row["post_type"] for row in rows), key=NAMES.index
    )
    for one, other in pairwise(rows):
        if one["post_type"] == other["post_type"]:
            assert abs(one["learned_total"]) >= abs(other["learned_total"])
    assert set(rows[0]) == {"post_type", "pre_type", "n_edges", "learned_total"}


def test_without_places_or_truth_the_figure_shows_what_is_known() -> None:
    graph, labels, weight = lattice_graph()
    bare = Graph(pre=graph.pre, post=graph.post, n_neurons=graph.n_neurons)
    circuit = circuit_dataset(bare, labels, NAMES, {"learned": weight})
    figure = FIGURES["fly_circuit"].function({"circuit": circuit})

    assert (circuit["du"] == 0).all() and circuit.sizes["entry"] == circuit.sizes["pair"]
    letters = {text.get_text() for ax in figure.axes for text in ax.texts} & set("abc")
    assert letters == {"a"}
    shown = figure.axes[0].images[0].get_array()
    assert shown is not None and np.isfinite(shown[0, 1]) and shown.mask[1].all()
