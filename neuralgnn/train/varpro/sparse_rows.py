r"""Least squares for every neuron's own in-edges. Axes: T frames, N neurons, E edges.

Within: B receivers of a batch, P columns of each of them.

For a fixed transfer function g the rate of receiver i is linear in what is unknown about it,

.. math:: \dot v_i = b_i - \lambda_i v_i + \gamma_i I_i + \sum_{e \to i} w_e\, g(v_{j(e)}),

some tens of numbers, so all receivers are solved side by side: those of similar in-degree are
padded to one size, and their Gram matrices are summed over blocks of frames. Nothing larger than a
block of activity and the Gram matrices is held.

Columns are centred, which solves for b, and scaled to unit variance. The ridge lies on messages
alone. A neuron that never falls below threshold and has a connection to itself has two equal
columns, its leak and that message; the ridge gives all of it to the leak, where a ridge on both
would split it and drag every other weight of the neuron along. A second, smaller ridge is relative
to the mean variance of all messages: g is known to some digits only, so a sender that never fires
has a column of rounding errors, which the first ridge would take at face value.

Measurement noise n of known standard deviation s, in the activity and by its finite difference
in the target, adds :math:`s^2` to the variance of the leak's column, :math:`s^2 \overline{g'^2}`
to that of a message, and :math:`-s^2/dt` to the product of leak and target; that is taken away
(Fuller 1987, chapter 1), with g' the slope of g over one standard deviation of the noise.

Where the residual is noise, a third ridge is the Bayesian one: residual variance over the mean
square of the receiver's weights, which is estimated alongside (MacKay 1992).
"""

__all__ = ["Frames", "Measurement", "SparseRows", "SparseSums", "solve_sparse_rows", "sum_frames"]

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data.graph import Graph

_GATHER_BYTES = 1 << 27
_DEAD = 1e-20  # variance of a column, relative to the activity's, that carries nothing
_TINY = 1e-13
_ROUNDS = 12  # of the expected square of a receiver's weights
_EXACT = 1e-7  # residual over variance below which there is no noise to speak of
_MOST_NOISE = 0.7  # share of a column's variance that may be measurement noise
_LEAST_EIGENVALUE = 0.03  # of columns of unit variance from which noise was taken away
_BLUR = 100.0  # ridge relative to the mean variance of messages, in units of the other ridge


@dataclass(frozen=True)
class Frames:
    """A block of frames, time last."""

    x: Float[Tensor, "N T"]
    y: Float[Tensor, "N T"]
    external: Float[Tensor, "N T"]


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
    measurement: "Measurement | None" = None,
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
    batches = list(_batches(graph))
    sums: list[_Sums] = []
    shift: _Shift | None = None
    n_frames = 0
    slopes = _Slopes(measurement)
    for block in blocks:
        sent = transfer(block.x.double())
        if shift is None:
            shift = _Shift.of(block, sent)
            sums = [_Sums(batch.to(sent.device)) for batch in batches]
        columns = shift.columns(block, sent)
        for each in sums:
            each.add(*columns)
        slopes.add(block, transfer)
        n_frames += block.x.shape[1]
    most = max((batch.columns.shape[1] for batch in batches), default=0)
    if shift is None or n_frames <= most + 1:
        raise ValueError(
            f"{n_frames} frames do not determine the {most + 1} unknowns of the neuron with the "
            "most inputs: record longer, or raise trainer.n_samples"
        )
    if measurement is not None:
        for each in sums:
            each.take_away(measurement, slopes, n_frames)
    return SparseSums(graph, sums, shift, n_frames)


@dataclass(frozen=True)
class SparseSums:
    """Products of columns summed over frames: enough to solve again with another prior."""

    graph: Graph
    batches: "list[_Sums]"
    shift: "_Shift"
    n_frames: int

    def solve(
        self,
        *,
        ridge: float,
        centre: Float[Tensor, " E"] | None = None,
        ridge_weight: Float[Tensor, " E"] | None = None,
    ) -> SparseRows:
        """Solves every receiver.

        Args:
            ridge: Ridge on messages, relative to a column of unit variance.
            centre: What the ridge draws each weight to; None: zero.
            ridge_weight: Precision of that prior on each weight, residual variance over
                ``n_frames`` and the prior's variance; in place of the estimated one.
        """
        return _collect(
            self.batches, self.shift, self.graph, self.n_frames, ridge, centre, ridge_weight
        )


@dataclass(frozen=True)
class _Batch:
    """Receivers padded to one number of columns: leak, external input, messages."""

    receivers: Int[Tensor, " B"]
    edges: Int[Tensor, "B K"]  # -1: padding
    columns: Int[Tensor, "B P"]  # rows of the stacked columns; the last one is zero

    def to(self, device: torch.device) -> "_Batch":
        return _Batch(*(each.to(device) for each in (self.receivers, self.edges, self.columns)))


@dataclass(frozen=True)
class _Shift:
    """About the mean of each column; subtracted early, sums of squares keep their digits."""

    x: Tensor
    y: Tensor
    external: Tensor
    sent: Tensor

    @classmethod
    def of(cls, block: Frames, sent: Tensor) -> "_Shift":
        rows = (block.x, block.y, block.external)
        x, y, external = (row.double().mean(1) for row in rows)
        return cls(x, y, external, sent.mean(1))

    def columns(self, block: Frames, sent: Tensor) -> tuple[Tensor, Tensor]:
        """Columns ``(3 N + 1, T)``: activity, external input, messages, zero; targets (N, T)."""
        stacked = torch.cat(
            [
                block.x.double() - self.x[:, None],
                block.external.double() - self.external[:, None],
                sent - self.sent[:, None],
                sent.new_zeros(1, sent.shape[1]),
            ]
        )
        return stacked, block.y.double() - self.y[:, None]


def _batches(graph: Graph, *, most: int = 512) -> Iterator[_Batch]:
    """Receivers in order of their in-degree, cut where padding would cost more than a tenth."""
    degree = np.diff(graph.indptr)
    order = np.argsort(degree, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        least = degree[order[start]]
        while stop < min(start + most, len(order)) and degree[order[stop]] <= 1.1 * least + 2:
            stop += 1
        yield _batch(graph, order[start:stop], int(degree[order[stop - 1]]))
        start = stop


def _batch(graph: Graph, receivers: np.ndarray, width: int) -> _Batch:
    n = graph.n_neurons
    edges = np.full((len(receivers), width), -1)
    for row, receiver in enumerate(receivers):
        own = graph.in_edges(int(receiver))
        edges[row, : len(own)] = own
    senders = np.where(edges >= 0, 2 * n + graph.pre[edges], 3 * n) if width else edges
    columns = np.column_stack([receivers, n + receivers, senders])
    return _Batch(torch.as_tensor(receivers), torch.as_tensor(edges), torch.as_tensor(columns))


@dataclass(frozen=True)
class Measurement:
    """Noise of the recording.

    Attributes:
        std: Its standard deviation s [activity].
        dt: Time between frames [time unit].
    """

    std: float
    dt: float


class _Slopes:
    """Mean slope of g, and of its square, at every neuron's activity."""

    def __init__(self, measurement: Measurement | None) -> None:
        self.measurement = measurement
        self.first = self.second = torch.zeros(0)

    def add(self, block: Frames, transfer: Callable[[Tensor], Tensor]) -> None:
        if self.measurement is None:
            return
        x, std = block.x.double(), self.measurement.std
        slope = (transfer(x + std) - transfer(x - std)) / (2 * std)
        if not len(self.first):
            self.first = self.second = slope.new_zeros(len(x))
        self.first, self.second = self.first + slope.sum(1), self.second + slope.square().sum(1)


class _Sums:
    """Products of the columns of a batch's receivers, summed over frames."""

    def __init__(self, batch: _Batch) -> None:
        n_receivers, n_columns = batch.columns.shape
        self.batch = batch
        zeros = partial(torch.zeros, dtype=torch.float64, device=batch.columns.device)
        # One more column: the target.
        self.gram = zeros(n_receivers, n_columns + 1, n_columns + 1)
        self.total = zeros(n_receivers, n_columns + 1)
        self.is_corrected = False

    def add(self, columns: Tensor, targets: Tensor) -> None:
        n_receivers, n_columns = self.batch.columns.shape
        step = max(1, _GATHER_BYTES // (8 * (n_columns + 1) * columns.shape[1]))
        for rows in torch.arange(n_receivers).split(step):
            own = columns[self.batch.columns[rows]]  # (b, P, T)
            target = targets[self.batch.receivers[rows]]
            every = torch.cat([own, target[:, None]], dim=1)
            self.gram[rows] += every @ every.mT
            self.total[rows] += every.sum(-1)

    def take_away(self, measurement: Measurement, slopes: _Slopes, n_frames: int) -> None:
        """Subtracts what measurement noise adds.

        A column that is mostly noise stays as it is: what would be left of it could be anything,
        zero included.
        """
        self.is_corrected = True
        batch, square = self.batch, measurement.std**2
        n_neurons = len(slopes.first)
        message = batch.columns[:, 2:]
        real = batch.edges >= 0
        sender = torch.where(real, message - 2 * n_neurons, 0)
        added = torch.zeros_like(self.total)  # to each sum of squares
        added[:, 0] = n_frames * square
        added[:, 2:-1] = torch.where(real, slopes.second[sender] * square, 0.0)
        diagonal = self.gram.diagonal(dim1=1, dim2=2)
        variance = (diagonal - self.total.square() / n_frames).clamp_min(0)
        share = (added <= _MOST_NOISE * variance).double()
        diagonal -= share * added  # a view: the Gram matrix changes
        # The noise of a receiver is in its leak, in its target and in its message to itself.
        loop = real & (sender == batch.receivers[:, None])
        both = torch.where(loop, slopes.first[sender] * square, 0.0)
        both *= share[:, :1] * share[:, 2:-1]
        self.gram[:, 0, 2:-1] -= both
        self.gram[:, 2:-1, 0] -= both
        self.gram[:, :-1, -1] += torch.cat(
            [(share * added)[:, :1], torch.zeros_like(both[:, :1]), both], dim=1
        ) / measurement.dt  # fmt: skip
        self.gram[:, -1, :-1] = self.gram[:, :-1, -1]


def _collect(
    sums: list[_Sums],
    shift: _Shift,
    graph: Graph,
    n_frames: int,
    ridge: float,
    centre: Tensor | None,
    ridge_weight: Tensor | None,
) -> SparseRows:
    per_neuron = ("drive", "leak", "gain", "leak_error", "rest_error", "residual", "variance")
    per_edge = {
        "weight": "b",
        "weight_error": "error",
        "unbiased_error": "unbiased",
        "resolution": "resolution",
        "leak_share": "leak_share",
        "drive_share": "drive_share",
    }
    found = {name: shift.x.new_zeros(graph.n_neurons) for name in per_neuron}
    found |= {name: shift.x.new_zeros(graph.n_edges) for name in per_edge}
    stacked = torch.cat([shift.x, shift.external, shift.sent, shift.sent.new_zeros(1)])
    floor = (
        _DEAD
        * float(sum(each.gram[:, 0, 0].sum() for each in sums))
        / (n_frames * graph.n_neurons)
    )
    typical = _mean_message_variance(sums, n_frames)
    for each in sums:
        batch = each.batch
        at = batch.edges >= 0
        prior = _prior(batch, at, centre, ridge_weight)
        solved = _solve(each, n_frames, ridge=ridge, floor=floor, typical=typical, prior=prior)
        means = stacked[batch.columns] + solved["mean"]
        drive = shift.y[batch.receivers] + solved["target_mean"] - (solved["b"] * means).sum(1)
        leak = -solved["b"][:, 0]
        to_leak = torch.zeros_like(means)
        to_leak[:, 0] = 1.0
        solved |= {
            "leak_share": _taken_over(solved, to_leak),
            "drive_share": _taken_over(solved, means),
        }
        values = {
            "drive": drive,
            "leak": leak,
            "gain": torch.where(solved["alive"][:, 1], solved["b"][:, 1], torch.nan),
            "leak_error": solved["error"][:, 0],
            "rest_error": _rest_error(solved, means, drive, leak, n_frames),
            "residual": solved["residual"],
            "variance": solved["variance"],
        }
        for name, value in values.items():
            found[name][batch.receivers] = value
        for name, key in per_edge.items():
            found[name][batch.edges[at]] = solved[key][:, 2:][at]
    return SparseRows(**{name: value.cpu() for name, value in found.items()}, n_frames=n_frames)


def _prior(
    batch: _Batch, at: Tensor, centre: Tensor | None, ridge_weight: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Centres and precisions of the columns' coefficients; none on leak and external input."""
    if centre is None or ridge_weight is None:
        return None
    both = []
    for values, outside in ((centre, 0.0), (ridge_weight, 1.0)):
        padded = torch.full_like(batch.columns, outside, dtype=torch.float64)
        padded[:, :2] = 0.0
        padded[:, 2:][at] = values.double().to(padded.device)[batch.edges[at]]
        both.append(padded)
    return both[0], both[1]


def _solve(
    sums: _Sums,
    n_frames: int,
    *,
    ridge: float,
    floor: float,
    typical: float,
    prior: tuple[Tensor, Tensor] | None,
) -> dict[str, Tensor]:
    """Coefficients of centred columns, with their errors; all of one batch."""
    mean = sums.total / n_frames
    covariance = sums.gram / n_frames - mean[:, :, None] * mean[:, None, :]
    gram, moment = covariance[:, :-1, :-1], covariance[:, :-1, -1]
    variance = covariance[:, -1, -1].clamp_min(0)
    diagonal = gram.diagonal(dim1=1, dim2=2)
    alive = diagonal > floor
    scale = torch.where(alive, diagonal, 1.0).sqrt()
    shape = gram / (scale[:, :, None] * scale[:, None, :])
    shape = torch.where(alive[:, :, None] & alive[:, None, :], shape, 0.0)
    if sums.is_corrected:
        shape = _with_positive_eigenvalues(shape)
    centre, precision = prior or (torch.zeros_like(diagonal), torch.zeros_like(diagonal))
    weakest = ridge * (1 + _BLUR * typical / scale.square())
    weakest[:, :2] = 0.0
    message = sums.batch.edges >= 0
    system = _System(shape, moment / scale, scale, alive, variance, n_frames)
    penalty = weakest if prior is None else torch.maximum(weakest, precision / scale.square())
    solved = system.solve(penalty, centre)
    if prior is None:
        for _ in range(_ROUNDS):
            if float((solved["residual"] / variance.clamp_min(1e-300)).max()) < _EXACT:
                break
            expected = _expected_square(solved, message)
            noise = solved["residual"] / (n_frames * expected)
            penalty = weakest + noise[:, None] / scale.square()
            penalty[:, :2] = 0.0
            solved = system.solve(penalty, centre)
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
class _System:
    """Normal equations of a batch in columns of unit variance."""

    shape: Float[Tensor, "B P P"]
    moment: Float[Tensor, "B P"]
    scale: Float[Tensor, "B P"]
    alive: Float[Tensor, "B P"]
    variance: Float[Tensor, " B"]
    n_frames: int

    def solve(
        self, penalty: Float[Tensor, "B P"], centre: Float[Tensor, "B P"]
    ) -> dict[str, Tensor]:
        """Coefficients with their errors, for a ridge and what it draws them to."""
        alive, scale = self.alive, self.scale
        # Columns without variance say nothing: they keep the prior's centre.
        dead = torch.where(alive, 0.0, 1.0)
        system = self.shape + torch.diag_embed(torch.where(alive, penalty + _TINY, dead))
        right = torch.where(alive, self.moment + penalty * centre * scale, centre * scale)
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


def _expected_square(solved: dict[str, Tensor], message: Tensor) -> Float[Tensor, " B"]:
    """Mean square of a receiver's weights, from the resolved part of them (MacKay 1992)."""
    square = (solved["b"][:, 2:].square() * message).sum(1)
    resolved = (solved["resolution"][:, 2:] * message).sum(1)
    return (square / resolved.clamp_min(0.5)).clamp_min(1e-30)


def _mean_message_variance(sums: list[_Sums], n_frames: int) -> float:
    total, count = 0.0, 0
    for each in sums:
        real = each.batch.edges >= 0
        square = each.gram.diagonal(dim1=1, dim2=2)[:, 2:-1] / n_frames
        square = square - (each.total[:, 2:-1] / n_frames).square()
        total, count = total + float(square[real].sum()), count + int(real.sum())
    return total / max(count, 1)


def _taken_over(solved: dict[str, Tensor], direction: Float[Tensor, "B P"]) -> Tensor:
    r"""How far minus ``direction`` times the coefficients is off per unit of each undecided one.

    Without noise the coefficients are :math:`b - S^{-1} P (b - c)`, with S the system, P the
    precision of the prior and c its centre.
    """
    along = torch.where(solved["alive"], direction / solved["scale"], direction)
    return (along[:, None] @ solved["inverse"])[:, 0] * solved["prior"] * solved["scale"]


def _rest_error(
    solved: dict[str, Tensor], means: Tensor, drive: Tensor, leak: Tensor, n_frames: int
) -> Tensor:
    """Of the voltage at which nothing changes: that of the mean, and of all slopes from there."""
    direction = means.clone()
    direction[:, 0] -= drive / leak
    direction = torch.where(solved["alive"], direction / solved["scale"], 0.0)
    slopes = (direction[:, None] @ solved["inverse"] @ direction[:, :, None])[:, 0, 0]
    return (solved["residual"] * (1 + slopes.clamp_min(0)) / n_frames).sqrt() / leak.abs()
