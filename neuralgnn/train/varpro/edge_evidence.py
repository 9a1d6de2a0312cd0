r"""Which edges of a graph are real. Axes: E edges, K sizes of weights.

Of a weight the fit knows the estimate, its standard error, and how much of it the data decide. If
the edge is not there the estimate is error alone; if it is, its weight comes from a mixture of
normal distributions of many widths, whose shares the estimates themselves tell (adaptive
shrinkage: Stephens 2017, Biostatistics 18:275). The ratio of the two likelihoods is what the
activity says of one edge. Of an edge whose sender is never active it says nothing.

What the wiring says comes on top. Neurons are clustered by those of their edges that the activity
vouches for; edges between two clusters at one distance on the lattice are a group. A connectome
repeats a group from column to column, chance does not. How likely an edge is by how often its
group is repeated, and how many real edges have weights too small to be seen, is what makes the
ratios of all edges most likely.
"""

__all__ = ["EdgeEvidence", "weigh_edges"]

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit

from neuralgnn.data.graph import Graph
from neuralgnn.train.varpro.wiring import cluster_by_wiring, edge_groups

_SIZES = 12  # widths of the mixture, each twice the one before
_ROUNDS, _ROUNDS_OF_KINDS = 60, 200  # of expectation and maximisation
_LEAST = 1e-9  # share of edges
_DECIDED = 1e-6  # share of a weight below which nothing is known of it
_SURE = 5.0  # log odds from which an edge is used to cluster neurons
_KINDS = 2  # of groups, by how often they are repeated, for each factor of two
_MOST = 40.0  # log odds that one edge's own activity can add


@dataclass(frozen=True)
class EdgeEvidence:
    """Natural logarithms of odds that an edge is real.

    Attributes:
        activity: Of its likelihoods, from the activity alone; 0: it says nothing.
        posterior: With what the wiring says.
    """

    activity: Float[np.ndarray, " E"]
    posterior: Float[np.ndarray, " E"]


def weigh_edges(
    graph: Graph,
    weight: Float[np.ndarray, " E"],
    error: Float[np.ndarray, " E"],
    resolution: Float[np.ndarray, " E"],
    *,
    max_clusters: int,
    seed: int,
) -> EdgeEvidence:
    """Weighs for every edge whether it is real.

    Args:
        graph: The edges, real ones and others, with places of the neurons.
        weight: Estimates.
        error: Their standard errors.
        resolution: Share of each weight that the data decide; the estimate has the rest as its
            bias towards zero.
        max_clusters: Largest number of clusters of neurons.
        seed: Seed of the clustering.

    Raises:
        ValueError: If neurons have no places on a lattice.
    """
    activity, share = _likelihood_ratio(weight, error, resolution)
    sure = activity + _logit(share) > _SURE
    labels = cluster_by_wiring(_part(graph, sure), max_clusters=max_clusters, seed=seed)
    return EdgeEvidence(activity, _posterior(activity, _kinds(graph, labels)))


def _likelihood_ratio(
    weight: Float[np.ndarray, " E"],
    error: Float[np.ndarray, " E"],
    resolution: Float[np.ndarray, " E"],
) -> tuple[Float[np.ndarray, " E"], float]:
    """Log ratio of the likelihoods of a real edge and of none, and the share of real edges."""
    ratio = np.zeros(len(weight))
    some = (resolution > _DECIDED) & np.isfinite(error)
    largest = np.abs(weight[some]).max(initial=0.0)
    if largest == 0:
        return ratio, 0.5
    kept = resolution[some]
    spread = np.maximum(error[some], _LEAST * largest) * np.sqrt(kept)
    z, reach = np.abs(weight[some]) / spread, kept / spread
    # Widths from the largest weight down.
    sizes = float(np.max(z / reach)) * 0.5 ** np.arange(_SIZES)
    signal = np.column_stack([np.zeros(len(z)), (reach[:, None] * sizes) ** 2])  # 0: no edge
    share = np.concatenate([[0.5], np.full(_SIZES, 0.5 / _SIZES)])
    inflation = 1.0
    each = np.zeros_like(signal)
    for _ in range(_ROUNDS):
        square = inflation + signal
        each = -0.5 * (z[:, None] ** 2 / square + np.log(square))
        joint = each + np.log(share)
        joint = np.exp(joint - joint.max(1, keepdims=True))
        joint /= joint.sum(1, keepdims=True)
        share = np.maximum(joint.mean(0), 1e-12)
        # What errors do not tell, such as a transfer function slightly off, makes them larger.
        inflation = max(1.0, (1 + (joint[:, 0] * z**2).sum()) / (1 + joint[:, 0].sum()))
    real = np.logaddexp.reduce(each[:, 1:] + np.log(share[1:] / share[1:].sum()), axis=1)
    ratio[some] = np.clip(real - each[:, 0], -_MOST, _MOST)
    return ratio, float(1 - share[0])


def _part(graph: Graph, edges: Bool[np.ndarray, " E"]) -> Graph:
    """The graph with some of its edges."""
    pre, post = graph.pre[edges], graph.post[edges]
    return Graph(pre=pre, post=post, n_neurons=graph.n_neurons, u=graph.u, v=graph.v)


def _kinds(graph: Graph, labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " E"]:
    """How often, on a logarithmic scale, the group of each edge is repeated.

    As a share of the neurons of its larger cluster, one for every column.
    """
    group, size = edge_groups(graph, labels), np.bincount(labels)
    larger = np.maximum(size[labels[graph.pre]], size[labels[graph.post]])
    kind = np.floor(_KINDS * np.log2(np.bincount(group)[group] / larger)).astype(np.int64)
    return kind - kind.min(initial=0)


def _posterior(
    activity: Float[np.ndarray, " E"], kind: Int[np.ndarray, " E"]
) -> Float[np.ndarray, " E"]:
    """Log odds from the ratios of all edges, by expectation and maximisation."""
    count = np.bincount(kind)
    share, unseen = np.full(len(count), 0.5), 0.1
    ratio = activity
    for _ in range(_ROUNDS_OF_KINDS):
        ratio = np.logaddexp(np.log1p(-unseen) + activity, np.log(unseen))
        real = expit(ratio + _logit(share)[kind])
        of_unseen = real * np.exp(np.log(unseen) - ratio)
        unseen = float(np.clip(of_unseen.sum() / real.sum(), _LEAST, 1 - _LEAST))
        share = (np.bincount(kind, weights=real, minlength=len(count)) + 0.5) / (count + 1)
    return ratio + _logit(share)[kind]


def _logit(share: Any) -> Any:
    return logit(np.clip(share, _LEAST, 1 - _LEAST))
