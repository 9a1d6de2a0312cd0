r"""Least squares for every neuron's own in-edges. Axes: T frames, N neurons, E edges.

Within: B receivers of a batch, P columns of each of them.

For a fixed transfer function g the rate of receiver i is linear in what is unknown about it,

.. math:: \dot v_i = b_i - \lambda_i v_i + \gamma_i I_i + \sum_{e \to i} w_e\, g(v_{j(e)}),

some tens of numbers, so all receivers are solved side by side from sums over blocks of frames,
:mod:`neuralgnn.train.varpro.sparse_sums`.

Columns are centred, which solves for b, and scaled to unit variance. The ridge lies on messages
alone. A neuron that never falls below threshold and has a connection to itself has two equal
columns, its leak and that message; the ridge gives all of it to the leak, where a ridge on both
would split it and drag every other weight of the neuron along. A second, smaller ridge is relative
to the mean variance of all messages: g is known to some digits only, so a sender that never fires
has a column of rounding errors, which the first ridge would take at face value.

Where the residual is noise, a third ridge is the Bayesian one: residual variance over the mean
square of the receiver's weights, which is estimated alongside (MacKay 1992).
"""

__all__ = [
    "EXACT",
    "ROUNDS",
    "SparseRows",
    "SparseSums",
    "System",
    "constants",
    "expected_square",
    "message_ridge",
    "solve_sparse_rows",
    "sum_frames",
]

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.models.place import side_by_side
from neuralgnn.train.varpro.sparse_sums import (
    Columns,
    Frames,
    Measurement,
    Messages,
    Slopes,
    Sums,
    products_of,
)

_DEAD = 1e-20  # variance of a column, relative to the activity's, that carries nothing
_TINY = 1e-13
ROUNDS = 12  # of the expected square of a receiver's weights
EXACT = 1e-7  # residual over variance below which there is no noise to speak of
_MOST_NOISE = 0.7  # share of a column's variance that may be measurement noise
_LEAST_EIGENVALUE = 0.03  # of columns of unit variance from which noise was taken away
_BLUR = 100.0  # ridge relative to the mean variance of messages, in units of the other ridge


@dataclass(frozen=True)
class SparseRows:
    r"""What is solved for.

    Attributes:
        drive: b, rate of change at v = 0 without any input [activity/time unit].
        leak: lambda, 1 / time constant [1/time unit].
        gain: gamma, effect of the external input; NaN where none arrives or it never changes.
        weight: w, effect of each message, in the order of the graph's edges.
        weight_error: Standard error of each, from the residual [same unit].
        unbiased_error: The same without any prior or ridge, the square root of the Cramér-Rao
            bound where regressors are observed without noise; infinite where nothing arrives.
        resolution: Share of each weight that the data decide, the rest being the ridge's, 0 .. 1.
        leak_share: What the receiver's leak takes over of each weight, for what the data do not
            decide, per unit of the weight's distance from what the ridge draws it to.
        drive_share: The same of the drive.
        leak_error: Standard error of the leak.
        rest_error: Standard error of drive over leak, the resting potential [activity].
        residual: Mean squared residual of each receiver [(activity/time unit)²].
        variance: Variance of each receiver's rate.
        n_frames: Frames used.
    """

    drive: Float[Tensor, " N"]
    leak: Float[Tensor, " N"]
    gain: Float[Tensor, " N"]
    weight: Float[Tensor, " E"]
    weight_error: Float[Tensor, " E"]
    unbiased_error: Float[Tensor, " E"]
    resolution: Float[Tensor, " E"]
    leak_share: Float[Tensor, " E"]
    drive_share: Float[Tensor, " E"]
    leak_error: Float[Tensor, " N"]
    rest_error: Float[Tensor, " N"]
    residual: Float[Tensor, " N"]
    variance: Float[Tensor, " N"]
    n_frames: int


def solve_sparse_rows(
    blocks: Iterable[Frames],
    graph: Graph,
    transfer: Callable[[Tensor], Tensor],
    *,
    ridge: float,
) -> SparseRows:
    """Solves every receiver over all frames; the arguments are those of the two steps."""
    return sum_frames(blocks, graph, transfer).solve(ridge=ridge)


def sum_frames(
    blocks: Iterable[Frames],
    graph: Graph,
    transfer: Callable[[Tensor], Tensor],
    *,
    measurement: Measurement | None = None,
) -> "SparseSums":
    """Sums what all receivers' least squares need over the frames, block by block.

    Args:
        blocks: The frames, in any partition.
        graph: Edges.
        transfer: g, elementwise.
        measurement: Noise whose share of the products is taken away.

    Raises:
        ValueError: If there are not more frames than unknowns of the largest row.
    """
    sums: list[Sums] = []
    messages: Messages | None = None
    columns = Columns(transfer)
    n_frames = 0
    slopes = Slopes(measurement)
    for block in blocks:
        rows = columns.fill(block)
        if not n_frames:
            sums, messages = products_of(graph, rows.device)
        if messages is not None:
            messages.add(rows[2 * graph.n_neurons : 3 * graph.n_neurons])
        side_by_side(partial(Sums.add, columns=rows, sums=rows.sum(1)), sums)
        slopes.add(block, transfer)
        n_frames += block.x.shape[1]
    most = max((each.batch.columns.shape[1] for each in sums), default=0)
    if n_frames <= most + 1:
        raise ValueError(
            f"{n_frames} frames do not determine the {most + 1} unknowns of the neuron with the "
            "most inputs: record longer, or raise trainer.n_samples"
        )
    if measurement is not None:
        for each in sums:
            each.find_noise(measurement, slopes, n_frames)
    return SparseSums(graph, sums, columns.shift, n_frames)


@dataclass(frozen=True)
class SparseSums:
    """Products of columns summed over frames: enough to solve again with another prior."""

    graph: Graph
    batches: list[Sums]
    shift: Float[Tensor, " S"]  # of Columns
    n_frames: int

    def solve(self, *, ridge: float, take_noise: bool = True) -> SparseRows:
        """Solves every receiver.

        Args:
            ridge: Ridge on messages, relative to a column of unit variance.
            take_noise: Whether measurement noise that is known is taken away.
        """
        floor, typical = self.dead_variance, self.mean_message_variance
        graph = self.graph

        def solve(each: Sums) -> dict[str, Tensor]:
            most = _MOST_NOISE if take_noise and each.noise is not None else 0.0
            system = {"floor": floor, "typical": typical, "most_noise": most}
            solved = _solve(each, self.n_frames, ridge=ridge, **system)
            shift = self.shift[each.batch.every]
            means, target = shift[:, :-1] + solved["mean"], shift[:, -1] + solved["target_mean"]
            return constants(solved, means, target, self.n_frames)

        found = {name: self.shift.new_zeros(graph.n_neurons) for name in _PER_NEURON}
        found |= {name: self.shift.new_zeros(graph.n_edges) for name in _PER_EDGE}
        for each, values in zip(self.batches, side_by_side(solve, self.batches), strict=True):
            batch = each.batch
            at = batch.edges >= 0
            for name in _PER_NEURON:
                found[name][batch.receivers] = values[name]
            for name in _PER_EDGE:
                found[name][batch.edges[at]] = values[name][at]
        rows = {name: value.cpu() for name, value in found.items()}
        return SparseRows(**rows, n_frames=self.n_frames)

    @property
    def dead_variance(self) -> float:
        """Variance of a column below which it carries nothing."""
        total = float(sum(each.squares()[:, 0].sum() for each in self.batches))
        return _DEAD * total / (self.n_frames * self.graph.n_neurons)

    @property
    def mean_message_variance(self) -> float:
        """Mean over all edges."""
        total, count = 0.0, 0
        for each in self.batches:
            real = each.batch.edges >= 0
            total += float(each.variances(self.n_frames)[:, 2:][real].sum())
            count += int(real.sum())
        return total / max(count, 1)


_PER_NEURON = ("drive", "leak", "gain", "leak_error", "rest_error", "residual", "variance")
_PER_EDGE = (
    "weight",
    "weight_error",
    "unbiased_error",
    "resolution",
    "leak_share",
    "drive_share",
)


def constants(
    solved: dict[str, Tensor],
    means: Float[Tensor, "B P"],
    target: Float[Tensor, " B"],
    n_frames: float,
) -> dict[str, Tensor]:
    """What a solved system says of receivers and edges, by the names of :class:`SparseRows`.

    Args:
        solved: Coefficients, from :meth:`System.solve`.
        means: Of the columns.
        target: Mean rate.
        n_frames: Frames that the solution rests on.
    """
    drive = target - (solved["b"] * means).sum(1)
    leak = -solved["b"][:, 0]
    to_leak = torch.zeros_like(means)
    to_leak[:, 0] = 1.0
    per_column = {
        "weight": solved["b"],
        "weight_error": solved["error"],
        "unbiased_error": solved["unbiased"],
        "resolution": solved["resolution"],
        "leak_share": _taken_over(solved, to_leak),
        "drive_share": _taken_over(solved, means),
    }
    return {name: value[:, 2:] for name, value in per_column.items()} | {
        "drive": drive,
        "leak": leak,
        "gain": torch.where(solved["alive"][:, 1], solved["b"][:, 1], torch.nan),
        "leak_error": solved["error"][:, 0],
        "rest_error": _rest_error(solved, means, drive, leak, n_frames),
        "residual": solved["residual"],
        "variance": solved["variance"],
    }


def _solve(
    sums: Sums, n_frames: int, *, ridge: float, floor: float, typical: float, most_noise: float
) -> dict[str, Tensor]:
    """Coefficients of centred columns, with their errors; all of one batch."""
    mean, covariance = sums.moments(n_frames, most_noise=most_noise)
    system = System.of(covariance, floor=floor, n_frames=n_frames)
    if most_noise:
        system = replace(system, shape=_with_positive_eigenvalues(system.shape))
    weakest = message_ridge(system.scale, ridge=ridge, typical=typical)
    weakest[:, :2] = 0.0
    message = sums.batch.edges >= 0
    solved = system.solve(weakest)
    for _ in range(ROUNDS):
        if float((solved["residual"] / system.variance.clamp_min(1e-300)).max()) < EXACT:
            break
        expected = expected_square(solved, message)
        noise = solved["residual"] / (n_frames * expected)
        penalty = weakest + noise[:, None] / system.scale.square()
        penalty[:, :2] = 0.0
        solved = system.solve(penalty)
    unbiased = system.unbiased_error(solved["residual"])
    return solved | {"unbiased": unbiased, "mean": mean[:, :-1], "target_mean": mean[:, -1]}


def _with_positive_eigenvalues(shape: Float[Tensor, "B P P"]) -> Float[Tensor, "B P P"]:
    """Without the directions of which little was left after noise was taken away.

    What is left there may be negative; coefficients along them become zero.
    """
    values, vectors = torch.linalg.eigh(shape)
    lost = (values < _LEAST_EIGENVALUE) & (values.abs() > 1e-14)  # padding is zero
    values = torch.where(lost, 1 / _LEAST_EIGENVALUE, values)
    return (vectors * values[:, None]) @ vectors.mT


@dataclass(frozen=True)
class System:
    """Normal equations of a batch in columns of unit variance."""

    shape: Float[Tensor, "B P P"]
    moment: Float[Tensor, "B P"]
    scale: Float[Tensor, "B P"]
    alive: Bool[Tensor, "B P"]
    variance: Float[Tensor, " B"]
    n_frames: float

    @classmethod
    def of(cls, covariance: Float[Tensor, "B Q Q"], *, floor: float, n_frames: float) -> "System":
        """From covariances of columns and target; columns below ``floor`` carry nothing."""
        gram, moment = covariance[:, :-1, :-1], covariance[:, :-1, -1]
        diagonal = gram.diagonal(dim1=1, dim2=2)
        alive = diagonal > floor
        scale = torch.where(alive, diagonal, 1.0).sqrt()
        shape = gram / (scale[:, :, None] * scale[:, None, :])
        shape = torch.where(alive[:, :, None] & alive[:, None, :], shape, 0.0)
        variance = covariance[:, -1, -1].clamp_min(0)
        return cls(shape, moment / scale, scale, alive, variance, n_frames)

    def solve(self, penalty: Float[Tensor, "B P"]) -> dict[str, Tensor]:
        """Coefficients with their errors, for a ridge; columns that carry nothing get zero."""
        alive, scale = self.alive, self.scale
        dead = torch.where(alive, 0.0, 1.0)
        system = self.shape + torch.diag_embed(torch.where(alive, penalty + _TINY, dead))
        right = torch.where(alive, self.moment, 0.0)
        inverse = torch.linalg.inv(system)
        scaled = (inverse @ right[:, :, None])[:, :, 0]
        explained = 2 * (scaled * self.moment * alive).sum(1)
        explained = explained - (scaled[:, None] @ self.shape @ scaled[:, :, None])[:, 0, 0]
        missing = (self.variance - explained).clamp_min(1e-15 * self.variance)
        share = penalty * inverse.diagonal(dim1=1, dim2=2)
        resolution = torch.where(alive, (1 - share).clamp(0, 1), 0.0)
        freedom = (self.n_frames - 1 - resolution.sum(1)).clamp_min(1)
        residual = missing * self.n_frames / freedom
        spread = inverse.diagonal(dim1=1, dim2=2).clamp_min(0) * residual[:, None]
        error = (spread / self.n_frames).sqrt() / scale
        return {
            "b": scaled / scale,
            "error": torch.where(alive, error, torch.inf),
            "resolution": resolution,
            "residual": residual,
            "variance": self.variance,
            "alive": alive,
            "inverse": inverse,
            "scale": scale,
            "prior": torch.where(alive, penalty + _TINY, 1.0),
        }

    def unbiased_error(self, residual: Float[Tensor, " B"]) -> Float[Tensor, "B P"]:
        """Standard errors of ordinary least squares for the given variance of the residual."""
        dead = torch.diag_embed(torch.where(self.alive, _TINY, 1.0))
        square = torch.linalg.inv(self.shape + dead).diagonal(dim1=1, dim2=2)
        known = self.alive & (square > 0)  # a negative one is all rounding
        error = (square.clamp_min(0) * residual[:, None] / self.n_frames).sqrt() / self.scale
        return torch.where(known, error, torch.inf)


def message_ridge(scale: Tensor, *, ridge: float, typical: float) -> Tensor:
    """Both ridges on messages in columns of unit variance.

    Args:
        scale: Standard deviations of the columns.
        ridge: Relative to a column of unit variance.
        typical: Mean variance of all messages.
    """
    return ridge * (1 + _BLUR * typical / scale.square())


def expected_square(
    solved: dict[str, Tensor], message: Bool[Tensor, "B K"]
) -> Float[Tensor, " B"]:
    """Mean square of a receiver's weights, from the resolved part of them (MacKay 1992).

    Args:
        solved: From :meth:`System.solve`.
        message: Which columns behind leak and external input are messages, not padding.
    """
    square = (solved["b"][:, 2:].square() * message).sum(1)
    resolved = (solved["resolution"][:, 2:] * message).sum(1)
    return (square / resolved.clamp_min(0.5)).clamp_min(1e-30)


def _taken_over(solved: dict[str, Tensor], direction: Float[Tensor, "B P"]) -> Tensor:
    r"""How far minus ``direction`` times the coefficients is off per unit of each undecided one.

    Without noise the coefficients are :math:`b - S^{-1} P b`, with S the system and P the
    precision of the prior.
    """
    along = torch.where(solved["alive"], direction / solved["scale"], direction)
    return (along[:, None] @ solved["inverse"])[:, 0] * solved["prior"] * solved["scale"]


def _rest_error(
    solved: dict[str, Tensor], means: Tensor, drive: Tensor, leak: Tensor, n_frames: float
) -> Tensor:
    """Of the voltage at which nothing changes: that of the mean, and of all slopes from there."""
    direction = means.clone()
    direction[:, 0] -= drive / leak
    direction = torch.where(solved["alive"], direction / solved["scale"], 0.0)
    slopes = (direction[:, None] @ solved["inverse"] @ direction[:, :, None])[:, 0, 0]
    return (solved["residual"] * (1 + slopes.clamp_min(0)) / n_frames).sqrt() / leak.abs()
