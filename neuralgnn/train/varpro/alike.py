r"""Weights of like pairs of neurons, drawn to each other. Axes: N neurons, E edges, G groups.

Neurons of one type have one time constant and resting potential, and two of them that are as far
apart on the lattice one weight. Types are not known: neurons are clustered by what was found about
them, and edges between two clusters at one distance make a group. Within group G weights are

.. math:: W_e \sim N(\mu_G, \tau_G^2),

where mean and variance follow from the estimates and their standard errors (DerSimonian and Laird
1986): a group that mixes types has a large variance and draws to nothing. Rows are then solved
anew with this prior. It is kept if it predicts held-out frames better.
"""

__all__ = ["alike_prior", "cluster_neurons", "draw_alike"]

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.models.clustering import cluster_rows
from neuralgnn.models.sparse import AffineGNN
from neuralgnn.train.varpro.sparse_rows import Frames, SparseRows, SparseSums

logger = logging.getLogger(__name__)

_FEW = 3  # edges of a group from which mean and variance are estimated
_LEAST = 0.05  # smallest spread of a group's weights, relative to their mean
_SMALL = 1e-6  # and to the root mean square of all weights


def draw_alike(
    sums: SparseSums,
    rows: SparseRows,
    make_model: Callable[[SparseRows], AffineGNN],
    held_out: Frames,
    *,
    ridge: float,
    max_clusters: int,
    n_rounds: int,
    seed: int,
) -> tuple[SparseRows, AffineGNN, dict[str, Any]]:
    """Clusters and solves in turn; returns the rows that predict held-out frames best.

    Args:
        sums: What the rows were solved from.
        rows: Rows without the prior.
        make_model: Gives the model that rows describe.
        held_out: Frames that decide.
        ridge: Ridge on messages, relative to a column of unit variance.
        max_clusters: Largest number of clusters tried.
        n_rounds: Turns.
        seed: Seed of the clustering.

    Returns:
        Rows, their model, and ``n_clusters`` and ``alike_rounds`` (of what was kept, 0 if the
        prior was not) for the record.
    """
    model = make_model(rows)
    best, error, kept, last = (rows, model), _error(model, held_out), 0, rows
    n_clusters = 0
    for turn in range(1, n_rounds + 1):
        labels = cluster_neurons(last, sums.graph, max_clusters=max_clusters, seed=seed)
        n_clusters = int(labels.max()) + 1
        centre, ridge_weight = alike_prior(last, sums.graph, labels)
        last = sums.solve(ridge=ridge, centre=centre, ridge_weight=ridge_weight)
        model = make_model(last)
        found = _error(model, held_out)
        logger.info("%d clusters: held-out error %.4g, before %.4g", n_clusters, found, error)
        if found < error:
            best, error, kept = (last, model), found, turn
    return *best, {"n_clusters": n_clusters, "alike_rounds": kept}


def cluster_neurons(
    rows: SparseRows, graph: Graph, *, max_clusters: int, seed: int
) -> Int[np.ndarray, " N"]:
    """Labels neurons by time constant, resting potential, and mean and spread of their weights.

    Args:
        rows: What was found.
        graph: Edges.
        max_clusters: Largest number of clusters tried.
        seed: Seed of the choice of neurons that the number is chosen on.
    """
    leak = _positive(rows.leak).numpy()
    weight = rows.weight.numpy() / leak[graph.post]
    columns = [1 / leak, rows.drive.numpy() / leak]
    for ends in (graph.post, graph.pre):
        count = np.maximum(np.bincount(ends, minlength=graph.n_neurons), 1)
        mean = np.bincount(ends, weights=weight, minlength=graph.n_neurons) / count
        square = np.bincount(ends, weights=(weight - mean[ends]) ** 2, minlength=graph.n_neurons)
        columns += [mean, np.sqrt(square / count)]
    # Neurons of which little is known have wild constants: they shall not set the scale.
    features = np.column_stack([_tamed(column) for column in columns])
    return cluster_rows(
        features, max_clusters=max_clusters, min_share=0.0, seed=seed, floor=0.003, valley=1.0
    )


def alike_prior(
    rows: SparseRows, graph: Graph, labels: Int[np.ndarray, " N"]
) -> tuple[Float[Tensor, " E"], Float[Tensor, " E"]]:
    """Centre and precision of the prior on every weight, as the solve takes them.

    Args:
        rows: What was found.
        graph: Edges.
        labels: Cluster of each neuron.
    """
    post = torch.as_tensor(graph.post)
    scale = _positive(rows.leak)[post].numpy()
    estimates = _Estimates.of(rows, scale)
    group = _groups(graph, labels)
    centre, variance, unsure, count = estimates.pooled(group)
    single = count < _FEW
    own = _own_square(rows, graph)[graph.post] / scale**2  # what the solve itself assumes
    centre, variance = np.where(single, 0.0, centre), np.where(single, own, variance)
    typical = np.sqrt(np.mean((rows.weight.numpy() / scale) ** 2))
    # A mean that is hardly known is drawn to zero, and what is left open adds to the variance.
    trust = own / (own + variance + unsure)
    centre, variance = trust * centre, variance + np.minimum(unsure, own)
    variance = np.maximum(variance, (_LEAST * centre) ** 2 + (_SMALL * typical) ** 2 + 1e-300)
    noise = rows.residual[post].numpy() / rows.n_frames
    return torch.from_numpy(centre * scale), torch.from_numpy(noise / (variance * scale**2))


@dataclass(frozen=True)
class _Estimates:
    """Weights freed of the prior they were found with: value times precision, and precision."""

    moment: Float[np.ndarray, " E"]
    precision: Float[np.ndarray, " E"]

    @classmethod
    def of(cls, rows: SparseRows, scale: Float[np.ndarray, " E"]) -> "_Estimates":
        """From posterior mean m, standard error s and the share r that the data decide: the
        likelihood's precision is r / s²; its mean m / r for a prior around zero.
        """
        error, share = rows.weight_error.numpy() / scale, rows.resolution.numpy()
        known = np.isfinite(error) & (error > 0) & (share > 0)
        precision = np.divide(share, error**2, out=np.zeros_like(error), where=known)
        unbiased = np.divide(rows.weight.numpy() / scale, share, out=np.zeros_like(error),
                             where=known)  # fmt: skip
        return cls(unbiased * precision, precision)

    def pooled(
        self, group: Int[np.ndarray, " E"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Int[np.ndarray, " E"]]:
        """Mean and variance of each edge's group, the mean's own variance, and the number of
        edges that the data know about, per edge.
        """
        total = np.bincount(group, weights=self.precision)
        moment = np.bincount(group, weights=self.moment)
        mean = np.divide(moment, total, out=np.zeros_like(total), where=total > 0)
        known = self.precision > 0
        count = np.bincount(group, weights=known).astype(np.int64)
        value = np.divide(
            self.moment, self.precision, out=np.zeros_like(total[group]), where=known
        )
        q = np.bincount(group, weights=self.precision * (value - mean[group]) ** 2)
        square = np.bincount(group, weights=self.precision**2)
        free = total - np.divide(square, total, out=np.zeros_like(total), where=total > 0)
        excess = np.maximum(q - (count - 1), 0)
        variance = np.divide(excess, free, out=np.zeros_like(total), where=free > 0)
        unsure = np.divide(1, total, out=np.full_like(total, 1e300), where=total > 0)
        return mean[group], variance[group], unsure[group], count[group]


def _groups(graph: Graph, labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " E"]:
    """Number of the group of each edge: its two clusters, and its distance where that is known."""
    keys = [labels[graph.pre], labels[graph.post]]
    if graph.u is not None and graph.v is not None:
        keys += [at[graph.post] - at[graph.pre] for at in (graph.u, graph.v)]
    return np.unique(np.column_stack(keys), axis=0, return_inverse=True)[1].reshape(-1)


def _own_square(rows: SparseRows, graph: Graph) -> Float[np.ndarray, " N"]:
    """Mean square of a receiver's weights, from the resolved part of them (MacKay 1992)."""
    sums = [
        np.bincount(graph.post, weights=values.numpy(), minlength=graph.n_neurons)
        for values in (rows.weight.square(), rows.resolution)
    ]
    return np.maximum(sums[0] / np.maximum(sums[1], 0.5), 1e-30)


def _tamed(column: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Centred by the median, in units of the middle half's range, cut at ten of them."""
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = (high - low) or column.std() or 1.0
    return np.clip((column - middle) / spread, -10, 10)


def _positive(leak: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Leaks as scales: one that is zero or below is an unstable neuron, not a scale."""
    return torch.where(leak > 0, leak, 1.0)


@torch.no_grad()
def _error(model: AffineGNN, held_out: Frames) -> float:
    """Mean over neurons of the residual's share of the rate's variance."""
    x, y, external = (
        each.T.cpu().contiguous() for each in (held_out.x, held_out.y, held_out.external)
    )
    wrong = (model(x, external) - y).double().square().mean(0)
    variance = y.double().var(0, correction=0).clamp_min(1e-20)
    return float((wrong / variance).clamp(max=1e3).mean())
