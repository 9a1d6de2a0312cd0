r"""Neurons of one type share their constants. Axes: N neurons, E edges; B neurons of one cluster.

Neurons of one type have one time constant and resting potential, and two of them that are as far
apart on the lattice one weight. Types are not known: neurons are clustered by their wiring, and a
cluster is split by its neurons' own constants where that explains most of what sharing costs.
Edges between two clusters at one distance share a weight. A cluster is solved as one
(:mod:`neuralgnn.train.varpro.pool`).

It keeps its neurons' own constants if shared ones leave much of their rates unexplained, or if it
has thousands of different connections, as in a graph full of random edges. Held-out frames do not
decide: where an input is missing, a neuron's own constants take its part, predict better, and are
wrong.
"""

__all__ = ["share_alike"]

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.cluster.vq import ClusterError, kmeans2
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.train.varpro.pool import FLOOR, Pool, Shared
from neuralgnn.train.varpro.sparse_rows import SparseRows, SparseSums
from neuralgnn.train.varpro.wiring import cluster_by_wiring, edge_groups

logger = logging.getLogger(__name__)

_FEW = 4  # neurons that make a cluster
_MOST_WEIGHTS = 2000  # of a cluster that shares: random edges are nobody else's
_MOST_PARTS = 4  # into which a cluster is split at once
# A split has to explain so much of the cost of sharing: most of one that is large, nearly all of
# one that is only larger than chance, as under noise.
_LARGE, _MOST = 0.5, 0.6  # mean log cost per neuron, share
_BEYOND_CHANCE, _NEARLY_ALL = 50.0, 0.9  # cost relative to that of as many constants, share
_MORE = 0.05  # share that one more piece has to explain


def share_alike(
    sums: SparseSums,
    rows: SparseRows,
    *,
    ridge: float,
    max_clusters: int,
    tolerance: float,
    seed: int,
) -> tuple[SparseRows, dict[str, Any]]:
    """Gives the neurons of a cluster one set of constants.

    Args:
        sums: What the rows were solved from.
        rows: Every neuron's own constants.
        ridge: Ridge on messages, relative to a column of unit variance.
        max_clusters: Largest number of clusters before any is split.
        tolerance: Share of its rate's variance that sharing may leave unexplained of the median
            neuron of a cluster, beyond what its own constants leave.
        seed: Seed of the clustering.

    Returns:
        Rows, and ``n_clusters`` and ``n_sharing`` (neurons that share) for the record.

    Raises:
        ValueError: If neurons have no places on a lattice.
    """
    labels = cluster_by_wiring(sums.graph, max_clusters=max_clusters, seed=seed)
    has_noise = any(each.noise is not None for each in sums.batches)
    seen = sums.solve(ridge=ridge, take_noise=False) if has_noise else rows
    pool = Pool(sums, seen, ridge)
    labels = _split(pool, labels, seed)
    groups = torch.as_tensor(edge_groups(sums.graph, labels))
    shared = [each for own in _members(labels) if (each := _sharing(pool, groups, own, tolerance))]
    n_sharing = sum(len(each.weight) for each in shared)
    n_clusters = int(labels.max()) + 1
    logger.info("%d clusters, %d of %d neurons share", n_clusters, n_sharing, len(labels))
    found = {name: value.clone() for name, value in vars(rows).items() if name != "n_frames"}
    size = pool.typical_square(shared)
    for each in shared:
        pool.write(each, size, found)
    return replace(rows, **found), {"n_clusters": n_clusters, "n_sharing": n_sharing}


def _split(pool: Pool, labels: Int[np.ndarray, " N"], seed: int) -> Int[np.ndarray, " N"]:
    """Splits clusters where that explains most of what sharing costs."""
    groups = torch.as_tensor(edge_groups(pool.sums.graph, labels))
    labels, following = labels.copy(), int(labels.max()) + 1
    for own in list(_members(labels)):
        if len(own) < 2 * _FEW or not _can_share(pool.sums.graph, own, groups):
            continue
        one = pool.solve(own, groups)
        at = one.neurons.numpy()
        whole, least = _log(one.cost, pool, at), _log(pool.rows.residual[at], pool, at)
        by_chance = float((one.columns_of_neurons / pool.rows.n_frames).sum())
        if whole - least > _LARGE * len(own):
            needed = _MOST
        elif whole - least > _BEYOND_CHANCE * by_chance:
            needed = _NEARLY_ALL
        else:
            continue
        best, chosen = needed - _MORE, None
        for pieces in _pieces(pool.rows, at, one, seed):
            cost = 0.0
            for piece in range(int(pieces.max()) + 1):
                found = pool.solve(at[pieces == piece], groups)
                cost += _log(found.cost, pool, found.neurons.numpy())
            explained = (whole - cost) / (whole - least)
            if explained > best + _MORE:
                best, chosen = explained, pieces
        if chosen is not None:
            for piece in range(1, int(chosen.max()) + 1):
                labels[at[chosen == piece]] = following
                following += 1
    return labels


def _can_share(graph: Graph, own: Int[np.ndarray, " B"], groups: Int[Tensor, " E"]) -> bool:
    """Whether neurons are enough, and have few enough weights between them."""
    edges = np.concatenate([graph.in_edges(int(neuron)) for neuron in own])
    return len(own) >= _FEW and len(torch.unique(groups[edges])) <= _MOST_WEIGHTS


def _log(cost: Float[Tensor, " B"], pool: Pool, at: Int[np.ndarray, " B"]) -> float:
    return float((cost + FLOOR * pool.rows.variance[at]).clamp_min(1e-300).log().sum())


def _pieces(
    rows: SparseRows, at: Int[np.ndarray, " B"], one: Shared, seed: int
) -> Iterator[Int[np.ndarray, " B"]]:
    """Ways to split a cluster, by its neurons' own constants."""
    leak = torch.where(rows.leak > 0, rows.leak, 1.0)[at].numpy()
    columns = [1 / leak, rows.drive[at].numpy() / leak, one.drive.numpy()]
    features = np.column_stack([_tamed(column) for column in columns])
    for count in range(2, _MOST_PARTS + 1):
        try:
            _, found = kmeans2(
                features, count, minit="++", rng=np.random.default_rng(seed), missing="raise"
            )
        except ClusterError:
            return
        if np.bincount(found, minlength=count).min() >= _FEW:
            yield found


def _sharing(
    pool: Pool, groups: Int[Tensor, " E"], own: Int[np.ndarray, " B"], tolerance: float
) -> Shared | None:
    """What neurons share, unless it leaves much unexplained that their own constants explain."""
    if not _can_share(pool.sums.graph, own, groups):
        return None
    shared = pool.solve(own, groups)
    at = shared.neurons
    more = (shared.residual - pool.rows.residual[at]) / pool.rows.variance[at].clamp_min(1e-300)
    return shared if float(more.median()) <= tolerance else None


def _members(labels: Int[np.ndarray, " N"]) -> Iterator[Int[np.ndarray, " B"]]:
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _tamed(column: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Centred by the median, in units of the middle half's range, cut at ten of them: neurons of
    which little is known have wild constants, which shall not set the scale.
    """
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = (high - low) or column.std() or 1.0
    return np.clip((column - middle) / spread, -10, 10)
