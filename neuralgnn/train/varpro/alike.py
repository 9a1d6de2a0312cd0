r"""Neurons of one type share their constants. Axes: N neurons, E edges; B receivers, P columns.

Neurons of one type have one time constant and resting potential, and two of them that are as far
apart on the lattice one weight. Types are not known: neurons are clustered by their wiring, and a
cluster is split by its neurons' own constants where that explains most of what sharing costs.
Edges between two clusters at one distance share a weight. The normal equations of a cluster's
neurons are added up, each divided by its residual, so that neurons whose activity the model cannot
explain (an input is missing) hardly count; the sum is solved as one.

A cluster keeps its neurons' own constants if shared ones leave much of their rates unexplained, or
if it has thousands of different connections, as in a graph full of random edges.
Held-out frames do not decide: where an input is missing, a neuron's own constants take its part,
predict better, and are wrong.
"""

__all__ = ["share_alike"]

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.cluster.vq import ClusterError, kmeans2
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.train.varpro.sparse_rows import (
    EXACT,
    ROUNDS,
    SparseRows,
    SparseSums,
    System,
    constants,
)
from neuralgnn.train.varpro.wiring import cluster_by_wiring

logger = logging.getLogger(__name__)

_FEW = 4  # neurons that make a cluster
_MOST_WEIGHTS = 2000  # of a cluster that shares: random edges are nobody else's
_MOST_PARTS = 4  # into which a cluster is split at once
# A split has to explain so much of the cost of sharing: most of one that is large, nearly all of
# one that is only larger than chance, as under noise.
_LARGE, _MOST = 0.5, 0.6  # mean log cost per neuron, share
_BEYOND_CHANCE, _NEARLY_ALL = 50.0, 0.9  # cost relative to that of as many constants, share
_MORE = 0.05  # share that one more piece has to explain
_REWEIGHTED = 3  # times that neurons are weighted anew by their residuals
_FLOOR = 1e-7  # residual over variance below which a neuron counts as explained
_NOISE_MARGIN = 3.0  # standard errors of a variance from which noise was taken away
_DECIDED = 0.9  # resolution from which a weight tells how large weights are


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
    pool = _Pool(sums, seen, ridge)
    labels = _split(pool, labels, seed)
    groups = torch.as_tensor(_groups(sums.graph, labels))
    shared = [each for own in _members(labels) if (each := _sharing(pool, groups, own, tolerance))]
    n_sharing = sum(len(each.weight) for each in shared)
    n_clusters = int(labels.max()) + 1
    logger.info("%d clusters, %d of %d neurons share", n_clusters, n_sharing, len(labels))
    found = {name: value.clone() for name, value in vars(rows).items() if name != "n_frames"}
    size = pool.typical_square(shared)
    for each in shared:
        pool.write(each, size, found)
    return replace(rows, **found), {"n_clusters": n_clusters, "n_sharing": n_sharing}


@dataclass(frozen=True)
class _Shared:
    """One solution for the neurons of a cluster.

    Attributes:
        neurons: Which they are, in order of their batches.
        solved: From :meth:`System.solve`, one row.
        columns: Which of its columns each neuron's are; the last is none.
        drive: Of each neuron, for the shared slopes.
        residual: Mean squared residual of each neuron, for its own drive.
        weight: How much each neuron counted.
    """

    neurons: Int[Tensor, " B"]
    solved: dict[str, Tensor]
    columns: list[Int[Tensor, "b P"]]
    drive: Float[Tensor, " B"]
    residual: Float[Tensor, " B"]
    weight: Float[Tensor, " B"]

    @property
    def columns_of_neurons(self) -> Int[Tensor, " B"]:
        """Number of each neuron's own constants."""
        none = self.solved["b"].shape[1]
        return torch.cat([(at < none).sum(1) for at in self.columns])

    @property
    def middle(self) -> Tensor:
        """Weighted median of the drives."""
        order = self.drive.argsort()
        mass = self.weight[order].cumsum(0)
        return self.drive[order[torch.searchsorted(mass, mass[-1] / 2)]]

    @property
    def cost(self) -> Float[Tensor, " B"]:
        """Mean squared residual of each neuron with all constants shared."""
        return self.residual + (self.drive - self.middle).square()


@dataclass(frozen=True)
class _Part:
    """Neurons of a cluster that are in one batch, with their moments."""

    receivers: Int[Tensor, " b"]
    edges: Int[Tensor, "b K"]
    means: Float[Tensor, "b P"]
    target: Float[Tensor, " b"]
    raw: Float[Tensor, "b Q Q"]
    clean: Float[Tensor, "b Q Q"]
    noise: Float[Tensor, "b P"]


class _Pool:
    """Adds up the normal equations of neurons.

    Args:
        sums: Where these come from.
        rows: How well neurons do on their own, with any measurement noise.
        ridge: Ridge on messages, relative to a column of unit variance.
    """

    def __init__(self, sums: SparseSums, rows: SparseRows, ridge: float) -> None:
        self.sums, self.rows, self.ridge = sums, rows, ridge
        self.floor, self.typical = sums.dead_variance, sums.mean_message_variance
        self.stacked = sums.shift.stacked
        n = sums.graph.n_neurons
        self.batch, self.row = np.zeros((2, n), dtype=np.int64)
        for number, each in enumerate(sums.batches):
            receivers = each.batch.receivers.cpu().numpy()
            self.batch[receivers], self.row[receivers] = number, np.arange(len(receivers))

    def parts(self, own: Int[np.ndarray, " B"]) -> list[_Part]:
        """The moments of some neurons, in order of their batches."""
        parts = []
        for number in np.unique(self.batch[own]):
            sums = self.sums.batches[number]
            some = own[self.batch[own] == number]
            rows = torch.as_tensor(self.row[some], device=sums.total.device)
            mean, raw = sums.moments(self.sums.n_frames, rows)
            clean = raw
            if sums.noise is not None:
                clean = sums.moments(self.sums.n_frames, rows, most_noise=torch.inf)[1]
            columns = sums.batch.columns[rows]
            parts.append(
                _Part(
                    torch.as_tensor(some),
                    sums.batch.edges[rows].cpu(),
                    (self.stacked[columns] + mean[:, :-1]).cpu(),
                    (self.sums.shift.y[sums.batch.receivers[rows]] + mean[:, -1]).cpu(),
                    raw.cpu(),
                    clean.cpu(),
                    (raw - clean).diagonal(dim1=1, dim2=2)[:, :-1].clamp_min(0).cpu(),
                )
            )
        return parts

    def can_share(self, own: Int[np.ndarray, " B"], groups: Int[Tensor, " E"]) -> bool:
        """Whether neurons are enough, and have few enough weights between them."""
        edges = np.concatenate([self.sums.graph.in_edges(int(neuron)) for neuron in own])
        return len(own) >= _FEW and len(torch.unique(groups[edges])) <= _MOST_WEIGHTS

    def solve(self, own: Int[np.ndarray, " B"], groups: Int[Tensor, " E"]) -> _Shared:
        """One solution for some neurons, noise and all, and how much each of them counts.

        Args:
            own: The neurons.
            groups: Which edges share a weight.
        """
        parts = self.parts(own)
        edges = torch.cat([part.edges.flatten() for part in parts])
        taps = torch.unique(groups[edges[edges >= 0]])
        columns = [_columns(part, groups, taps) for part in parts]
        at = torch.cat([part.receivers for part in parts])
        variance = self.rows.variance[at]
        residual, shared = self.rows.residual[at], None
        for _ in range(_REWEIGHTED):
            weight = 1 / (residual + _FLOOR * variance).clamp_min(1e-300)
            shared = self._solve(parts, columns, len(taps), weight)
            residual = shared.residual
        assert shared is not None
        return shared

    def again(self, shared: _Shared, *, size: float | None = None) -> _Shared:
        """The same neurons, counted the same, without noise that is known.

        Args:
            shared: A solution.
            size: Mean square of weights times time constants; None: the cluster's own.
        """
        n_taps = shared.solved["b"].shape[1] - 2
        options = {"clean": True, "size": size}
        return self._solve(
            self.parts(shared.neurons.numpy()), shared.columns, n_taps, shared.weight, **options
        )

    def _solve(
        self,
        parts: list[_Part],
        columns: list[Tensor],
        n_taps: int,
        weight: Tensor,
        *,
        clean: bool = False,
        size: float | None = None,
    ) -> _Shared:
        n_columns = n_taps + 2
        weight = weight / weight.sum()
        total = torch.zeros(n_columns + 2, n_columns + 2, dtype=torch.float64)
        noise = torch.zeros(n_columns + 1, dtype=torch.float64)
        share = weight.split([len(part.receivers) for part in parts])
        for part, at, each in zip(parts, columns, share, strict=True):
            covariance = part.clean if clean else part.raw
            every = torch.cat([at, torch.full_like(at[:, :1], n_columns + 1)], dim=1)
            where = (every[:, :, None].expand_as(covariance), every[:, None].expand_as(covariance))
            total.index_put_(where, each[:, None, None] * covariance, accumulate=True)
            if clean:
                noise.index_put_((at,), each[:, None] * part.noise, accumulate=True)
        real = [*range(n_columns), n_columns + 1]  # without the column of the padding
        n_frames = self.sums.n_frames / float(weight.square().sum())
        solved = self._estimate(total[real][:, real], noise[:-1], n_frames, size)
        found = torch.cat([solved["b"][0], torch.zeros(1, dtype=torch.float64)])
        drive, residual = [], []
        for part, at in zip(parts, columns, strict=True):
            b = found[at]
            drive.append(part.target - (b * part.means).sum(1))
            gram, moment = part.raw[:, :-1, :-1], part.raw[:, :-1, -1]
            explained = 2 * (b * moment).sum(1) - (b[:, None] @ gram @ b[:, :, None])[:, 0, 0]
            residual.append((part.raw[:, -1, -1] - explained).clamp_min(0))
        at = torch.cat([part.receivers for part in parts])
        return _Shared(at, solved, columns, torch.cat(drive), torch.cat(residual), weight)

    def _estimate(
        self, covariance: Tensor, noise: Tensor, n_frames: float, size: float | None
    ) -> dict[str, Tensor]:
        """Coefficients, for a ridge that knows how large weights are and how noisy columns."""
        # Scaled by what was seen, noise included: what is left of a column may be next to nothing.
        seen = covariance.clone()
        seen.diagonal()[:-1] += noise
        frame = System.of(seen[None], floor=self.floor, n_frames=n_frames)
        scale = frame.scale[0]
        shape = covariance[:-1, :-1] / (scale[:, None] * scale)
        shape = torch.where(frame.alive[0][:, None] & frame.alive[0], shape, 0.0)
        system = replace(frame, shape=shape[None])
        weakest = self.ridge * (1 + 100 * self.typical / scale.square())
        weakest = weakest + _NOISE_MARGIN * (2 / n_frames) ** 0.5 * noise / scale.square()
        weakest[:2] = 0.0
        solved = system.solve(weakest[None])
        for _ in range(ROUNDS):
            seen_residual = solved["residual"] + (solved["b"][0].square() * noise).sum()
            if float(seen_residual / system.variance.clamp_min(1e-300)) < EXACT:
                break
            square = _square(solved) if size is None else size * float(solved["b"][0, 0]) ** 2
            penalty = weakest + float(seen_residual) / (n_frames * square) / scale.square()
            penalty[:2] = 0.0
            solved = system.solve(penalty[None])
        return solved | {"unbiased": torch.full_like(solved["error"], torch.inf)}

    def typical_square(self, shared: list[_Shared]) -> float | None:
        """Mean square of the weights times time constants that the data decide."""
        total, count = 0.0, 0
        for each in shared:
            found = self.again(each).solved
            decided = found["resolution"][0, 2:] > _DECIDED
            weight = found["b"][0, 2:] / found["b"][0, 0]
            total, count = (
                total + float(weight[decided].square().sum()),
                count + int(decided.sum()),
            )
        return total / count if total > 0 else None

    def write(self, shared: _Shared, size: float | None, found: dict[str, Tensor]) -> None:
        """Writes what neurons share into the columns of the rows."""
        shared = self.again(shared, size=size)
        parts = self.parts(shared.neurons.numpy())
        means = torch.zeros(shared.solved["b"].shape[1] + 1, dtype=torch.float64)
        count = torch.zeros_like(means)
        for part, at in zip(parts, shared.columns, strict=True):
            means.index_put_((at,), part.means, accumulate=True)
            count.index_put_((at,), torch.ones_like(part.means), accumulate=True)
        means = (means / count.clamp_min(1))[:-1]
        target = torch.cat([part.target for part in parts]).mean()[None]
        n_frames = self.sums.n_frames / float(shared.weight.square().sum())
        values = constants(shared.solved, means[None], target, n_frames)
        for name in ("leak", "gain", "leak_error", "rest_error"):
            found[name][shared.neurons] = values[name]
        found["drive"][shared.neurons] = shared.middle
        found["residual"][shared.neurons] = shared.residual
        for part, columns in zip(parts, shared.columns, strict=True):
            real = part.edges >= 0
            for name in ("weight", "weight_error", "resolution", "leak_share", "drive_share"):
                found[name][part.edges[real]] = values[name][0][columns[:, 2:][real] - 2]


def _columns(part: _Part, groups: Tensor, taps: Tensor) -> Int[Tensor, "b P"]:
    """Which shared column each column of some neurons is; padding: one behind the last."""
    real = part.edges >= 0
    tap = torch.searchsorted(taps, groups[part.edges.clamp_min(0)])
    tap = torch.where(real, tap, len(taps))
    first = torch.arange(2).expand(len(tap), 2)
    return torch.cat([first, 2 + tap], dim=1)


def _square(solved: dict[str, Tensor]) -> float:
    """Mean square of weights, from the resolved part of them (MacKay 1992)."""
    square = float(solved["b"][0, 2:].square().sum())
    return max(square / max(float(solved["resolution"][0, 2:].sum()), 0.5), 1e-30)


def _split(pool: _Pool, labels: Int[np.ndarray, " N"], seed: int) -> Int[np.ndarray, " N"]:
    """Splits clusters where that explains most of what sharing costs."""
    groups = torch.as_tensor(_groups(pool.sums.graph, labels))
    labels, following = labels.copy(), int(labels.max()) + 1
    for own in list(_members(labels)):
        if len(own) < 2 * _FEW or not pool.can_share(own, groups):
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


def _log(cost: Float[Tensor, " B"], pool: _Pool, at: Int[np.ndarray, " B"]) -> float:
    return float((cost + _FLOOR * pool.rows.variance[at]).clamp_min(1e-300).log().sum())


def _pieces(
    rows: SparseRows, at: Int[np.ndarray, " B"], one: _Shared, seed: int
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
    pool: _Pool, groups: Int[Tensor, " E"], own: Int[np.ndarray, " B"], tolerance: float
) -> _Shared | None:
    """What neurons share, unless it leaves much unexplained that their own constants explain."""
    if not pool.can_share(own, groups):
        return None
    shared = pool.solve(own, groups)
    at = shared.neurons
    more = (shared.residual - pool.rows.residual[at]) / pool.rows.variance[at].clamp_min(1e-300)
    return shared if float(more.median()) <= tolerance else None


def _members(labels: Int[np.ndarray, " N"]) -> Iterator[Int[np.ndarray, " B"]]:
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _groups(graph: Graph, labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " E"]:
    """Number of the group of each edge: its two clusters, and its distance on the lattice."""
    keys = [labels[graph.pre], labels[graph.post]]
    keys += [at[graph.post] - at[graph.pre] for at in (graph.u, graph.v) if at is not None]
    return np.unique(np.column_stack(keys), axis=0, return_inverse=True)[1].reshape(-1)


def _tamed(column: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Centred by the median, in units of the middle half's range, cut at ten of them: neurons of
    which little is known have wild constants, which shall not set the scale.
    """
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = (high - low) or column.std() or 1.0
    return np.clip((column - middle) / spread, -10, 10)
