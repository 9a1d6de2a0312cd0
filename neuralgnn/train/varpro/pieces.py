"""Frames and receivers in portions of one size, so that sums do not depend on who takes them.

Axes: T samples of a piece, N senders, I receivers of a tile, C columns of each receiver.

A fit may be made by one process or by hundreds of jobs. Each takes whole *pieces* of frames or
whole *tiles* of receivers, whose sizes are fixed: products of the same portions have the same
bits. Sums over pieces that several jobs share are carried in twice the precision, so the order in
which they are added up does not show either.
"""

__all__ = ["LongSum", "Pieces", "TileProducts", "share", "sum_gram", "tile_products", "tiles"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

PIECE = 1024  # frames
_TILE = 128  # receivers, at most
_MIN_TILES = 16  # that a small network is cut into
_CACHE_BYTES = 1 << 31
_BLOCK_BYTES = 1 << 31  # products of tiles that share a pass over the frames
_GRAM_ROWS = 512
_CACHED_ENTRIES = 1 << 17  # of a sum at a time: eight times as fast as all at once

Item = TypeVar("Item")


class Pieces:
    """Activity and rates at chosen frames, read piece by piece; kept only if all of it is small.

    Args:
        read: Gives activity and rate of change at some frames.
        frames: Numbers of the frames.
        n_neurons: Neurons N.
    """

    def __init__(
        self,
        read: Callable[[NDArray], tuple[Float[Tensor, "T N"], Float[Tensor, "T N"]]],
        frames: NDArray,
        *,
        n_neurons: int,
    ) -> None:
        self._read, self.frames, self.n_neurons = read, frames, n_neurons
        self._kept: dict[int, tuple[Tensor, Tensor]] | None = None
        if 2 * 4 * len(frames) * n_neurons <= _CACHE_BYTES:
            self._kept = {}

    @property
    def n_samples(self) -> int:
        """Frames of all pieces together."""
        return len(self.frames)

    def __len__(self) -> int:
        return -(-len(self.frames) // PIECE)

    def __getitem__(self, number: int) -> tuple[Float[Tensor, "T N"], Float[Tensor, "T N"]]:
        if self._kept is not None and number in self._kept:
            return self._kept[number]
        piece = self._read(self.frames[number * PIECE : (number + 1) * PIECE])
        if self._kept is not None:
            self._kept[number] = piece
        return piece

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "T N"], Float[Tensor, "T N"]]]:
        return (self[number] for number in range(len(self)))

    def survey(self, n_most: int = 400_000) -> tuple[NDArray[np.float64], float]:
        """Some activity values with the extremes among them, and the standard deviation of all."""
        n_values = self.n_samples * self.n_neurons
        step = max(1, n_values // n_most) | 1  # odd: does not fall in step with the neurons
        values, low, high, total, square = [], np.inf, -np.inf, 0.0, 0.0
        done = 0
        for x, _ in self:
            flat = x.flatten()
            values.append(flat[-done % step :: step].cpu().numpy().astype(np.float64))
            low, high = min(low, float(flat.min())), max(high, float(flat.max()))
            total += float(flat.sum(dtype=torch.float64))
            square += float(flat.double().square().sum())
            done += len(flat)
        variance = (square - total**2 / n_values) / (n_values - 1)
        return np.concatenate([*values, [low, high]]), variance**0.5


class LongSum:
    """A sum of matrices in twice the working precision (two-sum; Knuth, TAOCP 2, 4.2.2).

    Attributes:
        high: The sum, rounded.
        low: What rounding has lost.
    """

    def __init__(self, high: Float[Tensor, "M N"], low: Float[Tensor, "M N"]) -> None:
        self.high, self.low = high, low

    @classmethod
    def zeros(cls, n: int, *, device: torch.device | str) -> "LongSum":
        """Nothing added yet, to a square matrix."""
        high, low = (torch.zeros(n, n, dtype=torch.float64, device=device) for _ in range(2))
        return cls(high, low)

    def add(self, term: Float[Tensor, "m n"], *, rows: slice, columns: slice) -> None:
        """Adds to a part of the matrix, some rows at a time that stay in the cache."""
        step = max(1, _CACHED_ENTRIES // term.shape[1])
        parts = (self.high[rows, columns], self.low[rows, columns], term)
        for high, low, more in zip(*(part.split(step) for part in parts), strict=True):
            total = high + more
            added = total - high
            low += (high - (total - added)) + (more - added)
            high.copy_(total)

    def merge(self, other: "LongSum") -> None:
        """Adds another sum."""
        for start in range(0, len(self.high), _GRAM_ROWS):
            rows = slice(start, start + _GRAM_ROWS)
            self.add(other.high[rows], rows=rows, columns=slice(None))
            self.low[rows] += other.low[rows]

    def rounded(self) -> Float[Tensor, "M N"]:
        """The sum; takes the place of this one."""
        return self.high.add_(self.low)


@dataclass(frozen=True)
class TileProducts:
    """Products of some receivers' columns C, over all frames.

    Attributes:
        receivers: Index of each receiver among the senders.
        cross: P'C, with what all senders send.
        own: C'C, with each other.
    """

    receivers: Int[Tensor, " I"]
    cross: Float[Tensor, "I N C"]
    own: Float[Tensor, "I C C"]


def sum_gram(
    pieces: Pieces, numbers: range, sent: Callable[[Tensor], Float[Tensor, "T N"]]
) -> LongSum:
    """Lower triangle of ``P'P`` over some pieces.

    Args:
        pieces: Frames.
        numbers: Which pieces; none: the sum is zero.
        sent: P of a piece's activity, in float64.
    """
    total: LongSum | None = None
    for number in numbers:
        p = sent(pieces[number][0])
        total = total or LongSum.zeros(pieces.n_neurons, device=p.device)
        for start in range(0, pieces.n_neurons, _GRAM_ROWS):
            rows = slice(start, min(start + _GRAM_ROWS, pieces.n_neurons))
            columns = slice(0, rows.stop)
            total.add(p[:, rows].T @ p[:, columns], rows=rows, columns=columns)
    return total or LongSum.zeros(pieces.n_neurons, device="cpu")


def tiles(receivers: Int[Tensor, " R"]) -> list[Int[Tensor, " I"]]:
    """Receivers in tiles; their size follows from the number of all receivers."""
    size = max(1, min(_TILE, -(-len(receivers) // _MIN_TILES)))
    return list(receivers.split(size))


def share(items: Sequence[Item], number: int, of: int) -> Sequence[Item]:
    """One of several consecutive shares of a sequence, as equal as they can be."""
    return items[len(items) * number // of : len(items) * (number + 1) // of]


def tile_products(
    pieces: Pieces,
    chosen: Sequence[Int[Tensor, " I"]],
    *,
    n_columns: int,
    sent: Callable[[Tensor], Float[Tensor, "T N"]],
    columns: Callable[[Tensor, Tensor, Tensor], Float[Tensor, "I T C"]],
) -> Iterator[TileProducts]:
    """Products of tile after tile; as many tiles share a pass over the frames as fit into memory.

    Args:
        pieces: Frames.
        chosen: Tiles of receivers.
        n_columns: Columns C of each receiver.
        sent: P of a piece's activity, in float64.
        columns: C of a tile, from its own activity and rates ``(T, I)`` and its receivers.
    """
    most = max(map(len, chosen), default=1)
    group = max(1, _BLOCK_BYTES // (8 * most * n_columns * pieces.n_neurons))
    for start in range(0, len(chosen), group):
        some = chosen[start : start + group]
        cross: dict[int, Tensor] = {}
        own: dict[int, Tensor] = {}
        for x, y in pieces:
            p = sent(x)
            for number, receivers in enumerate(some):
                c = columns(x[:, receivers], y[:, receivers], receivers)
                flat = c.permute(1, 0, 2).reshape(len(p), -1)  # (T, I C)
                if number in cross:
                    cross[number].addmm_(p.T, flat)
                    own[number] += c.mT @ c
                else:
                    cross[number], own[number] = p.T @ flat, c.mT @ c
        for number, receivers in enumerate(some):
            product = cross.pop(number).reshape(pieces.n_neurons, len(receivers), -1)
            yield TileProducts(receivers, product.permute(1, 0, 2), own.pop(number))
