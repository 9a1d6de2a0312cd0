"""The circuit by cell types: what one type of cells sends another, and from where on the lattice.

Axes: E edges, N neurons, K types; P pairs of types that are connected; F entries, a pair and an
offset of columns each.
"""

__all__ = ["circuit_dataset", "circuit_rows"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.fly.scores import r2
from neuralgnn.analyse.labels import about
from neuralgnn.data.graph import Graph


def circuit_dataset(
    graph: Graph,
    labels: Int[np.ndarray, " N"],
    names: list[str],
    weights: Mapping[str, Float[np.ndarray, " E"]],
) -> xr.Dataset:
    """Weights of all edges, summed up by the types of their cells and the distance between them.

    Args:
        graph: Edges, and places of the neurons if they have some.
        labels: Type of each neuron, 0 .. K - 1.
        names: Names of the types.
        weights: Weights of the edges by where they are from, such as ``true`` and ``learned``.

    Returns:
        For every pair ``pre_type``, ``post_type``, ``n_edges`` and, for each source,
        ``<source>_total``: what a cell of the receiving type gets from all cells of the sending
        one, on average. For every entry its ``entry_pair``, offset ``du``, ``dv`` from receiver to
        sender [column], ``n_entry_edges``, and mean and standard deviation over its edges,
        ``<source>_mean`` and ``<source>_spread``. Both in order of receiving and sending type.
        Attribute ``total_r2``, where there are true and learned weights: R² of the sums.
    """
    key = labels[graph.post] * len(names) + labels[graph.pre]
    pairs, pair, n_edges = np.unique(key, return_inverse=True, return_counts=True)
    pair = pair.reshape(-1)
    n_cells = np.bincount(labels, minlength=len(names))
    post_type, pre_type = np.divmod(pairs, len(names))
    offset = [
        np.zeros(graph.n_edges, np.int64) if at is None else at[graph.pre] - at[graph.post]
        for at in (graph.u, graph.v)
    ]
    columns = np.column_stack([pair, *offset])
    entries, entry, n_entry_edges = np.unique(
        columns, axis=0, return_inverse=True, return_counts=True
    )
    entry = entry.reshape(-1)
    data: dict[str, Any] = {
        "cell_type": ("type_index", np.array(names, dtype=object), about("cell type", "1")),
        "pre_type": ("pair", pre_type, about("sending type", "1")),
        "post_type": ("pair", post_type, about("receiving type", "1")),
        "n_edges": ("pair", n_edges, about("edges", "1")),
        "entry_pair": ("entry", entries[:, 0], about("pair", "1")),
        "du": ("entry", entries[:, 1], about("offset of the sender in u", "column")),
        "dv": ("entry", entries[:, 2], about("offset of the sender in v", "column")),
        "n_entry_edges": ("entry", n_entry_edges, about("edges", "1")),
    }
    for source, weight in weights.items():
        total = np.bincount(pair, weights=weight) / n_cells[post_type]
        mean = np.bincount(entry, weights=weight) / n_entry_edges
        square = np.bincount(entry, weights=(weight - mean[entry]) ** 2) / n_entry_edges
        data |= {
            f"{source}_total": ("pair", total, about(f"{source} weight, summed", "1")),
            f"{source}_mean": ("entry", mean, about(f"{source} weight", "1")),
            f"{source}_spread": ("entry", np.sqrt(square), about(f"{source} spread", "1")),
        }
    circuit = xr.Dataset(data)
    if {"learned", "true"} <= set(weights):
        learned, true = (circuit[f"{source}_total"].values for source in ("learned", "true"))
        circuit.attrs["total_r2"] = r2(learned, true)
    return circuit


def circuit_rows(circuit: xr.Dataset) -> list[dict[str, Any]]:
    """Rows of a table of the pairs, of each receiving type the strongest learned one first."""
    names = circuit["cell_type"].values
    totals = [str(name) for name in circuit.data_vars if str(name).endswith("_total")]
    order = np.lexsort((-np.abs(circuit["learned_total"].values), circuit["post_type"].values))
    return [
        {
            "post_type": str(names[circuit["post_type"].values[at]]),
            "pre_type": str(names[circuit["pre_type"].values[at]]),
            "n_edges": int(circuit["n_edges"].values[at]),
            **{name: float(circuit[name].values[at]) for name in totals},
        }
        for at in order
    ]
