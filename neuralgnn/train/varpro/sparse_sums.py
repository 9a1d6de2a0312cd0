r"""Products of columns summed over frames, for every neuron's own least squares.

Axes: T frames, N neurons, E edges; B receivers of a batch, P columns of each of them: its own
activity, its external input, the messages of its senders. Receivers of similar in-degree are
padded to one size; nothing larger than a block of activity and the Gram matrices is held.

Measurement noise n of known standard deviation s, in the activity and by its finite difference
in the target, adds :math:`s^2` to the variance of the leak's column, :math:`s^2 \overline{g'^2}`
to that of a message, and :math:`-s^2/dt` to the product of leak and target; that is taken away
(Fuller 1987, chapter 1), with g' the slope of g over one standard deviation of the noise.
"""

__all__ = ["Batch", "Frames", "Measurement", "Noise", "Shift", "Slopes", "Sums", "batches_of"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data.graph import Graph

_GATHER_BYTES = 1 << 27


@dataclass(frozen=True)
class Frames:
    """A block of frames, time last."""

    x: Float[Tensor, "N T"]
    y: Float[Tensor, "N T"]
    external: Float[Tensor, "N T"]


@dataclass(frozen=True)
class Measurement:
    """Noise of the recording.

    Attributes:
        std: Its standard deviation s [activity].
        dt: Time between frames [time unit].
    """

    std: float
    dt: float


@dataclass(frozen=True)
class Batch:
    """Receivers padded to one number of columns: leak, external input, messages."""

    receivers: Int[Tensor, " B"]
    edges: Int[Tensor, "B K"]  # -1: padding
    columns: Int[Tensor, "B P"]  # rows of the stacked columns; the last one is zero

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(each.to(device) for each in (self.receivers, self.edges, self.columns)))


def batches_of(graph: Graph, *, most: int = 512) -> Iterator[Batch]:
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


def _batch(graph: Graph, receivers: np.ndarray, width: int) -> Batch:
    n = graph.n_neurons
    edges = np.full((len(receivers), width), -1)
    for row, receiver in enumerate(receivers):
        own = graph.in_edges(int(receiver))
        edges[row, : len(own)] = own
    senders = np.where(edges >= 0, 2 * n + graph.pre[edges], 3 * n) if width else edges
    columns = np.column_stack([receivers, n + receivers, senders])
    return Batch(torch.as_tensor(receivers), torch.as_tensor(edges), torch.as_tensor(columns))


@dataclass(frozen=True)
class Shift:
    """About the mean of each column; subtracted early, sums of squares keep their digits."""

    x: Tensor
    y: Tensor
    external: Tensor
    sent: Tensor

    @classmethod
    def of(cls, block: Frames, sent: Tensor) -> "Shift":
        """Means of the first block, and of its messages."""
        rows = (block.x, block.y, block.external)
        x, y, external = (row.double().mean(1) for row in rows)
        return cls(x, y, external, sent.mean(1))

    @property
    def stacked(self) -> Float[Tensor, " S"]:
        """Of the columns ``(3 N + 1)``: activity, external input, messages, zero."""
        return torch.cat([self.x, self.external, self.sent, self.sent.new_zeros(1)])

    def columns(self, block: Frames, sent: Tensor) -> tuple[Tensor, Tensor]:
        """Columns ``(3 N + 1, T)``, less about their means; targets (N, T)."""
        rows = torch.cat(
            [block.x.double(), block.external.double(), sent, sent.new_zeros(1, sent.shape[1])]
        )
        return rows - self.stacked[:, None], block.y.double() - self.y[:, None]


class Slopes:
    """Mean slope of g, and of its square, at every neuron's activity."""

    def __init__(self, measurement: Measurement | None) -> None:
        self.measurement = measurement
        self.first = self.second = torch.zeros(0)

    def add(self, block: Frames, transfer: Callable[[Tensor], Tensor]) -> None:
        """Adds a block; nothing without measurement noise."""
        if self.measurement is None:
            return
        x, std = block.x.double(), self.measurement.std
        slope = (transfer(x + std) - transfer(x - std)) / (2 * std)
        if not len(self.first):
            self.first = self.second = slope.new_zeros(len(x))
        self.first, self.second = self.first + slope.sum(1), self.second + slope.square().sum(1)


@dataclass(frozen=True)
class Noise:
    """What measurement noise adds to the products of a batch, per frame.

    Attributes:
        square: To the variance of each column.
        loop: To the product of leak and message, for a receiver's message to itself.
        dt: Time between frames [time unit].
    """

    square: Float[Tensor, "B P"]
    loop: Float[Tensor, "B K"]
    dt: float

    def take_from(self, covariance: Float[Tensor, "B Q Q"], *, most: float) -> None:
        """Takes it away, in place; ``Q = P + 1``.

        Args:
            covariance: Of columns and target.
            most: Share of a column's variance up to which it is taken away: what is left of one
                that is mostly noise could be anything, zero included.
        """
        diagonal = covariance.diagonal(dim1=1, dim2=2)  # a view
        share = (self.square <= most * diagonal[:, :-1].clamp_min(0)).double()
        square = share * self.square
        loop = share[:, :1] * share[:, 2:] * self.loop
        diagonal[:, :-1] -= square
        covariance[:, 0, 2:-1] -= loop
        covariance[:, 2:-1, 0] -= loop
        in_target = torch.cat([square[:, :1], torch.zeros_like(square[:, :1]), loop], dim=1)
        covariance[:, :-1, -1] += in_target / self.dt
        covariance[:, -1, :-1] += in_target / self.dt


class Sums:
    """Products of the columns of a batch's receivers, summed over frames.

    Attributes:
        batch: The receivers.
        gram: Sums of products of the columns and, last, the target.
        total: Sums of the same.
        noise: What measurement noise added, if it is known.
    """

    def __init__(self, batch: Batch) -> None:
        n_receivers, n_columns = batch.columns.shape
        self.batch = batch
        zeros = partial(torch.zeros, dtype=torch.float64, device=batch.columns.device)
        self.gram = zeros(n_receivers, n_columns + 1, n_columns + 1)
        self.total = zeros(n_receivers, n_columns + 1)
        self.noise: Noise | None = None

    def add(self, columns: Tensor, targets: Tensor) -> None:
        """Adds a block's columns ``(S, T)`` and targets ``(N, T)``."""
        n_receivers, n_columns = self.batch.columns.shape
        step = max(1, _GATHER_BYTES // (8 * (n_columns + 1) * columns.shape[1]))
        for rows in torch.arange(n_receivers).split(step):
            own = columns[self.batch.columns[rows]]  # (b, P, T)
            target = targets[self.batch.receivers[rows]]
            every = torch.cat([own, target[:, None]], dim=1)
            self.gram[rows] += every @ every.mT
            self.total[rows] += every.sum(-1)

    def find_noise(self, measurement: Measurement, slopes: Slopes, n_frames: int) -> None:
        """Finds what measurement noise added."""
        batch, square = self.batch, measurement.std**2
        n_neurons = len(slopes.first)
        real = batch.edges >= 0
        sender = torch.where(real, batch.columns[:, 2:] - 2 * n_neurons, 0)
        added = torch.zeros_like(self.total[:, :-1])
        added[:, 0] = square
        added[:, 2:] = torch.where(real, slopes.second[sender] * square / n_frames, 0.0)
        loop = real & (sender == batch.receivers[:, None])
        both = torch.where(loop, slopes.first[sender] * square / n_frames, 0.0)
        self.noise = Noise(added, both, measurement.dt)

    def moments(
        self, n_frames: int, rows: Tensor | slice = slice(None), *, most_noise: float = 0.0
    ) -> tuple[Float[Tensor, "b Q"], Float[Tensor, "b Q Q"]]:
        """Means and covariances of columns and target.

        Args:
            n_frames: Frames summed.
            rows: Rows of the batch.
            most_noise: Share of a column's variance up to which noise is taken away.
        """
        mean = self.total[rows] / n_frames
        covariance = self.gram[rows] / n_frames - mean[:, :, None] * mean[:, None, :]
        if self.noise is not None and most_noise:
            noise = Noise(self.noise.square[rows], self.noise.loop[rows], self.noise.dt)
            noise.take_from(covariance, most=most_noise)
        return mean, covariance
