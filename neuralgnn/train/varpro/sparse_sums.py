r"""Products of columns summed over frames, for every neuron's own least squares.

Axes: T frames, N neurons, E edges; B receivers of a batch, P columns of each of them: its own
activity, its external input, the messages of its senders. Receivers of similar in-degree are
padded to one size; nothing larger than a block of activity and the Gram matrices is held. Where
neurons have so many senders that their Gram matrices are more work than that of all messages
with all others, it is that one which is summed.

Measurement noise n of known standard deviation s, in the activity and by its finite difference
in the target, adds :math:`s^2` to the variance of the leak's column, :math:`s^2 \overline{g'^2}`
to that of a message, and :math:`-s^2/dt` to the product of leak and target; that is taken away
(Fuller 1987, chapter 1), with g' the slope of g over one standard deviation of the noise.
"""

__all__ = [
    "Batch",
    "Columns",
    "Frames",
    "Measurement",
    "Messages",
    "Noise",
    "Slopes",
    "Sums",
    "products_of",
]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.models.place import side_by_side

_GATHER_BYTES = 1 << 21  # what fits a cache is gathered twice as fast
_BATCH = 1 << 24  # elements of the Gram matrices of a batch
_STRIPE = 2048  # messages whose products with others are summed at once
_DENSE = 0.5  # share of all products of two messages from which all are summed


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
    every: Int[Tensor, "B Q"]  # of the columns and, last, the target: rows of Columns

    @property
    def columns(self) -> Int[Tensor, "B P"]:
        """Rows of the columns, of those of :class:`Columns`."""
        return self.every[:, :-1]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(each.to(device) for each in (self.receivers, self.edges, self.every)))


def batches_of(graph: Graph, *, most: int = 512) -> Iterator[Batch]:
    """Receivers in order of their in-degree, cut where padding would cost more than a tenth."""
    degree = np.diff(graph.indptr)
    order = np.argsort(degree, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        least = degree[order[start]]
        while stop < min(start + most, len(order)) and degree[order[stop]] <= 1.1 * least + 2:
            if (stop + 1 - start) * (degree[order[stop]] + 3) ** 2 > _BATCH:
                break
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
    every = np.column_stack([receivers, n + receivers, senders, 3 * n + 1 + receivers])
    return Batch(torch.as_tensor(receivers), torch.as_tensor(edges), torch.as_tensor(every))


class Columns:
    """Columns of all receivers, a block of frames at a time: ``S = 4 N + 1`` rows of it.

    Activity, external input, messages, one row of zeros for padding, targets; less about their
    means, so that sums of squares keep their digits. One piece of memory serves all blocks: to
    be given new pages for each would take as long as the sums.

    Args:
        transfer: g, elementwise.
    """

    def __init__(self, transfer: Callable[[Tensor], Tensor]) -> None:
        self._transfer = transfer
        self._memory = torch.zeros(0)
        self.shift: Float[Tensor, " S"] = torch.zeros(0)
        """About the mean of each row: that of the first block."""

    def fill(self, block: Frames) -> Float[Tensor, "S T"]:
        """The block's columns, until the next block."""
        n, width = block.x.shape
        size = (4 * n + 1) * width
        if len(self._memory) < size:
            self._memory = torch.empty(size, dtype=torch.float64, device=block.x.device)
        rows = self._memory[:size].view(4 * n + 1, width)
        rows[:n], rows[n : 2 * n], rows[3 * n + 1 :] = block.x, block.external, block.y
        rows[3 * n] = 0.0
        activity, messages = rows[:n], rows[2 * n : 3 * n]
        step = max(1, _GATHER_BYTES // (8 * width))

        def send(some: slice) -> None:
            messages[some] = self._transfer(activity[some])

        side_by_side(send, [slice(start, start + step) for start in range(0, n, step)])
        if not len(self.shift):
            self.shift = rows.mean(1)
        return rows.sub_(self.shift[:, None])


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


class Sums(ABC):
    """Products of the columns of a batch's receivers, summed over frames.

    Attributes:
        batch: The receivers.
        total: Sums of the columns and, last, the target.
        noise: What measurement noise added, if it is known.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.total = self._zeros(*batch.every.shape)
        self.noise: Noise | None = None

    def add(self, columns: Float[Tensor, "S T"], sums: Float[Tensor, " S"]) -> None:
        """Adds a block: its rows of :class:`Columns`, and their sums."""
        n_receivers, n_every = self.batch.every.shape
        self.total += sums[self.batch.every]
        step = max(1, _GATHER_BYTES // (8 * n_every * columns.shape[1]))
        for rows in torch.arange(n_receivers).split(step):
            self._add(rows, columns[self.batch.every[rows]])

    @abstractmethod
    def _add(self, rows: Tensor, every: Float[Tensor, "b Q T"]) -> None:
        """Adds products of the columns of some rows."""

    @abstractmethod
    def products(self, rows: Tensor) -> Float[Tensor, "b Q Q"]:
        """Sums of products of the columns and, last, the target."""

    @abstractmethod
    def squares(self) -> Float[Tensor, "B P"]:
        """Sums of squares of the columns."""

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
        self, n_frames: int, rows: Tensor | None = None, *, most_noise: float = 0.0
    ) -> tuple[Float[Tensor, "b Q"], Float[Tensor, "b Q Q"]]:
        """Means and covariances of columns and target.

        Args:
            n_frames: Frames summed.
            rows: Rows of the batch; None: all.
            most_noise: Share of a column's variance up to which noise is taken away.
        """
        if rows is None:
            rows = torch.arange(len(self.total), device=self.total.device)
        mean = self.total[rows] / n_frames
        covariance = self.products(rows) / n_frames - mean[:, :, None] * mean[:, None, :]
        if self.noise is not None and most_noise:
            noise = Noise(self.noise.square[rows], self.noise.loop[rows], self.noise.dt)
            noise.take_from(covariance, most=most_noise)
        return mean, covariance

    def variances(self, n_frames: int) -> Float[Tensor, "B P"]:
        """Variances of the columns, noise and all."""
        return self.squares() / n_frames - (self.total[:, :-1] / n_frames).square()

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float64, device=self.batch.columns.device)


class SparseProducts(Sums):
    """Holds a Gram matrix for every receiver: least work where senders are few."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        n_receivers, n_every = batch.every.shape
        self.gram = self._zeros(n_receivers, n_every, n_every)

    def _add(self, rows: Tensor, every: Float[Tensor, "b Q T"]) -> None:
        self.gram[rows] += every @ every.mT

    def products(self, rows: Tensor) -> Float[Tensor, "b Q Q"]:
        """Sums of products of the columns and, last, the target."""
        return self.gram[rows]

    def squares(self) -> Float[Tensor, "B P"]:
        """Sums of squares of the columns."""
        return self.gram.diagonal(dim1=1, dim2=2)[:, :-1]


class Messages:
    """Products of all messages with each other, of which a receiver's are some.

    Only those of a message with ones before it are summed, and those of its stripe.
    """

    def __init__(self, n_neurons: int, device: torch.device) -> None:
        self.gram = torch.zeros(n_neurons, n_neurons, dtype=torch.float64, device=device)

    def add(self, sent: Float[Tensor, "N T"]) -> None:
        """Adds a block."""

        def add(start: int) -> None:
            rows, before = slice(start, start + _STRIPE), slice(start + _STRIPE)
            self.gram[rows, before] += sent[rows] @ sent[before].T

        side_by_side(add, range(0, len(sent), _STRIPE))

    def among(self, sender: Int[Tensor, "b K"]) -> Float[Tensor, "b K K"]:
        """Products of some neurons' messages with each other."""
        one, other = sender[:, :, None], sender[:, None, :]
        return self.gram[torch.maximum(one, other), torch.minimum(one, other)]


class DenseProducts(Sums):
    """Takes products of messages from those of all: least work where senders are many."""

    def __init__(self, batch: Batch, messages: Messages) -> None:
        super().__init__(batch)
        n_receivers, n_every = batch.every.shape
        self.messages = messages
        self.edge = self._zeros(n_receivers, 3, n_every)  # of leak, external input, target
        n_neurons = len(messages.gram)
        self.sender = (batch.columns[:, 2:] - 2 * n_neurons).clamp_max(n_neurons - 1)

    def _add(self, rows: Tensor, every: Float[Tensor, "b Q T"]) -> None:
        self.edge[rows] += every[:, [0, 1, -1]] @ every.mT

    def products(self, rows: Tensor) -> Float[Tensor, "b Q Q"]:
        """Sums of products of the columns and, last, the target."""
        edge = self.edge[rows]
        whole = edge.new_zeros(len(edge), edge.shape[2], edge.shape[2])
        real = (self.batch.edges[rows] >= 0).double()
        among = self.messages.among(self.sender[rows])
        whole[:, 2:-1, 2:-1] = among * real[:, :, None] * real[:, None, :]
        for number, column in enumerate((0, 1, -1)):
            whole[:, column], whole[:, :, column] = edge[:, number], edge[:, number]
        return whole

    def squares(self) -> Float[Tensor, "B P"]:
        """Sums of squares of the columns."""
        messages = self.messages.gram.diagonal()[self.sender] * (self.batch.edges >= 0)
        return torch.cat([self.edge[:, :1, 0], self.edge[:, 1:2, 1], messages], dim=1)


def products_of(graph: Graph, device: torch.device) -> tuple[list[Sums], Messages | None]:
    """What products are summed in, whichever is less work."""
    batches = [batch.to(device) for batch in batches_of(graph)]
    each = sum(len(batch.every) * batch.every.shape[1] ** 2 for batch in batches)
    if each < _DENSE * graph.n_neurons**2:
        return [SparseProducts(batch) for batch in batches], None
    messages = Messages(graph.n_neurons, device)
    return [DenseProducts(batch, messages) for batch in batches], messages
