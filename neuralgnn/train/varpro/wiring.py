r"""Types of neurons from how they are wired. Axes: N neurons, F features, K clusters, S places.

Cells of one type are wired alike: a mixture of Poisson distributions over the numbers of a
neuron's in- and out-edges at each distance on the lattice. Columns at its border have no
neighbours on one side; a distance that leads off the lattice says nothing about a neuron there, so
that border and centre fall into one cluster. Edges missing or too many are noise to the mixture.
"""

__all__ = ["cluster_by_wiring", "edge_groups"]

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from neuralgnn.data.graph import Graph

_STARTS = 3
_ROUNDS = 15  # of expectation and maximisation
_PRIOR = 0.05  # neurons' worth of the mean profile in every cluster's
_LEAST_RATE = 1e-4
_COMPLETE = 0.6  # quantile of the known distances above which a neuron may start a cluster


def cluster_by_wiring(graph: Graph, *, max_clusters: int, seed: int) -> Int[np.ndarray, " N"]:
    """Labels neurons by the numbers of their edges at each distance on the lattice.

    Args:
        graph: Edges, with places.
        max_clusters: Clusters that a mixture starts with; some empty themselves.
        seed: Seed of the starts, of which the Bayesian information criterion chooses.

    Raises:
        ValueError: If neurons have no places.
    """
    if graph.u is None or graph.v is None:
        raise ValueError("neurons without places on a lattice cannot be told by their wiring")
    profiles = _Profiles.of(graph)
    rng = np.random.default_rng(seed)
    best, labels = -np.inf, np.zeros(graph.n_neurons, dtype=np.int64)
    for _ in range(_STARTS):
        share, rate, likelihood = profiles.fit(profiles.draw(max_clusters, rng))
        n_free = int((rate > _PRIOR).sum())
        criterion = likelihood - 0.5 * n_free * np.log(graph.n_neurons)
        if criterion > best:
            best, labels = criterion, share.argmax(1)
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def edge_groups(graph: Graph, labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " E"]:
    """Number of the group of each edge: its two clusters, and its distance on the lattice."""
    keys = [labels[graph.pre], labels[graph.post]]
    keys += [at[graph.post] - at[graph.pre] for at in (graph.u, graph.v) if at is not None]
    return np.unique(np.column_stack(keys), axis=0, return_inverse=True)[1].reshape(-1)


class _Profiles:
    """Numbers of edges by direction and distance, and which distances stay on the lattice."""

    def __init__(
        self, counts: scipy.sparse.csr_array, known: Float[np.ndarray, "S F"], place: np.ndarray
    ) -> None:
        self.counts, self.known, self.place = counts, known, place
        n = len(place)
        self.at = scipy.sparse.csr_array((np.ones(n), (place, np.arange(n))), (len(known), n))

    @classmethod
    def of(cls, graph: Graph) -> "_Profiles":
        assert graph.u is not None and graph.v is not None
        where = np.column_stack([graph.u, graph.v]).astype(np.int64)
        steps, step = np.unique(where[graph.post] - where[graph.pre], axis=0, return_inverse=True)
        places, place = np.unique(where, axis=0, return_inverse=True)
        there = {tuple(each) for each in places.tolist()}

        def known(sign: int) -> np.ndarray:
            ends = places[:, None] + sign * steps[None]
            return np.array([[tuple(end) in there for end in row] for row in ends.tolist()])

        ends = np.concatenate([graph.post, graph.pre])
        feature = np.concatenate([step.reshape(-1), len(steps) + step.reshape(-1)])
        counts = scipy.sparse.csr_array(
            (np.ones(len(ends)), (ends, feature)), (graph.n_neurons, 2 * len(steps))
        )
        both = np.hstack([known(-1), known(1)]).astype(np.float64)
        return cls(counts, both.reshape(len(places), -1), place.reshape(-1))

    def draw(self, n_clusters: int, rng: np.random.Generator) -> Float[np.ndarray, "N K"]:
        """Shares of the neurons in clusters around some of them that are far from each other."""
        complete = self.known.sum(1)[self.place]
        able = np.flatnonzero(complete >= np.quantile(complete, _COMPLETE))
        rows = self.counts[able].toarray()
        size = rows.sum(1) + 1
        chosen = [int(rng.integers(len(able)))]
        distance = np.abs(rows - rows[chosen[0]]).sum(1)
        while len(chosen) < n_clusters and distance.any():
            odds = (distance / size) ** 2
            chosen.append(int(rng.choice(len(able), p=odds / odds.sum())))
            distance = np.minimum(distance, np.abs(rows - rows[chosen[-1]]).sum(1))
        likelihood = self._likelihood(rows[chosen] + _PRIOR)
        share = np.zeros_like(likelihood)
        share[np.arange(len(share)), likelihood.argmax(1)] = 1.0
        return share

    def fit(
        self, share: Float[np.ndarray, "N K"]
    ) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "K F"], float]:
        """Shares, rates and log-likelihood after some rounds from given shares."""
        overall = self.counts.sum(0) / np.maximum(self.known[self.place].sum(0), 1)
        rate, likelihood = np.empty((0, 0)), 0.0
        for _ in range(_ROUNDS):
            size = share.sum(0)
            share, size = share[:, size > 1e-3], size[size > 1e-3]
            total = (self.counts.T @ share).T + _PRIOR * overall
            exposure = (self.known.T @ (self.at @ share)).T + _PRIOR
            rate = np.maximum(total / exposure, _LEAST_RATE)
            each = self._likelihood(rate) + np.log(size / len(share))
            top = each.max(1, keepdims=True)
            share = np.exp(each - top)
            sums = share.sum(1, keepdims=True)
            share, likelihood = share / sums, float((top + np.log(sums)).sum())
        return share, rate, likelihood

    def _likelihood(self, rate: Float[np.ndarray, "K F"]) -> Float[np.ndarray, "N K"]:
        return self.counts @ np.log(rate).T - (self.known @ rate.T)[self.place]
