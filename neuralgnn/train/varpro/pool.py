r"""One solution for several neurons.

Axes: N neurons, E edges, Q = P + 1 columns and target; B neurons, b of them in one batch.

Edges of one group share a weight, all neurons a leak and a gain. The normal equations of the
neurons are added up, each divided by its residual, so that neurons whose activity the model cannot
explain (an input is missing) hardly count; the sum is solved as one. Measurement noise that is
known is taken from the sum, where it stands out far more clearly than in one neuron's equations.
"""

__all__ = ["FLOOR", "Pool", "Shared"]

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.sparse_rows import (
    EXACT,
    ROUNDS,
    SparseRows,
    SparseSums,
    System,
    constants,
    expected_square,
    message_ridge,
)

FLOOR = 1e-7  # residual over variance below which a neuron counts as explained
_REWEIGHTED = 3  # times that neurons are weighted anew by their residuals
_NOISE_MARGIN = 3.0  # standard errors of a variance from which noise was taken away
_DECIDED = 0.9  # resolution from which a weight tells how large weights are


@dataclass(frozen=True)
class Shared:
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


class Pool:
    """Adds up the normal equations of neurons.

    Args:
        sums: Where these come from.
        rows: How well neurons do on their own, with any measurement noise.
        ridge: Ridge on messages, relative to a column of unit variance.
    """

    def __init__(self, sums: SparseSums, rows: SparseRows, ridge: float) -> None:
        self.sums, self.rows, self.ridge = sums, rows, ridge
        self.floor, self.typical = sums.dead_variance, sums.mean_message_variance
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
            mean = self.sums.shift[sums.batch.every[rows]] + mean
            parts.append(
                _Part(
                    torch.as_tensor(some),
                    sums.batch.edges[rows].cpu(),
                    mean[:, :-1].cpu(),
                    mean[:, -1].cpu(),
                    raw.cpu(),
                    clean.cpu(),
                    (raw - clean).diagonal(dim1=1, dim2=2)[:, :-1].clamp_min(0).cpu(),
                )
            )
        return parts

    def solve(self, own: Int[np.ndarray, " B"], groups: Int[Tensor, " E"]) -> Shared:
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
            weight = 1 / (residual + FLOOR * variance).clamp_min(1e-300)
            shared = self._solve(parts, columns, len(taps), weight)
            residual = shared.residual
        assert shared is not None
        return shared

    def again(self, parts: list[_Part], shared: Shared, *, size: float | None = None) -> Shared:
        """The same neurons, counted the same, without noise that is known.

        Args:
            parts: Their moments.
            shared: A solution.
            size: Mean square of weights times time constants; None: the cluster's own.
        """
        n_taps = shared.solved["b"].shape[1] - 2
        return self._solve(parts, shared.columns, n_taps, shared.weight, clean=True, size=size)

    def _solve(
        self,
        parts: list[_Part],
        columns: list[Tensor],
        n_taps: int,
        weight: Tensor,
        *,
        clean: bool = False,
        size: float | None = None,
    ) -> Shared:
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
        return Shared(at, solved, columns, torch.cat(drive), torch.cat(residual), weight)

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
        weakest = message_ridge(scale, ridge=self.ridge, typical=self.typical)
        weakest = weakest + _NOISE_MARGIN * (2 / n_frames) ** 0.5 * noise / scale.square()
        weakest[:2] = 0.0
        message = torch.ones(1, len(scale) - 2, dtype=torch.bool)
        solved = system.solve(weakest[None])
        for _ in range(ROUNDS):
            seen_residual = solved["residual"] + (solved["b"][0].square() * noise).sum()
            if float(seen_residual[0] / system.variance[0].clamp_min(1e-300)) < EXACT:
                break
            square = expected_square(solved, message)[0]
            if size is not None:
                square = size * solved["b"][0, 0].square()
            penalty = weakest + seen_residual[0] / (n_frames * square) / scale.square()
            penalty[:2] = 0.0
            solved = system.solve(penalty[None])
        # The bound on any unbiased estimate is that of every neuron's own.
        return solved | {"unbiased": torch.full_like(solved["error"], torch.inf)}

    def typical_square(self, shared: list[Shared]) -> float | None:
        """Mean square of the weights times time constants that the data decide."""
        total, count = 0.0, 0
        for each in shared:
            found = self.again(self.parts(each.neurons.numpy()), each).solved
            decided = found["resolution"][0, 2:] > _DECIDED
            weight = found["b"][0, 2:] / found["b"][0, 0]
            total += float(weight[decided].square().sum())
            count += int(decided.sum())
        return total / count if total > 0 else None

    def write(self, shared: Shared, size: float | None, found: dict[str, Tensor]) -> None:
        """Writes what neurons share into the columns of the rows."""
        parts = self.parts(shared.neurons.numpy())
        shared = self.again(parts, shared, size=size)
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
