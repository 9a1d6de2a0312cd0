"""Hat functions on arbitrary knots: piecewise linear curves. Axes: C knots, ... any leading axes.

A curve is linear between its knots and goes on along its last pieces beyond them, so a rectifier
is exact when one knot lies at its kink; a cubic spline would round it.
"""

__all__ = ["Hats", "hat_knots", "refined_hat_knots"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

_TAIL = 1e-3  # share of the activity beyond the first and the last knot
_GAP = 1e-3  # smallest distance of two knots, in units of the range


@dataclass(frozen=True)
class Hats:
    """Basis of the piecewise linear curves on increasing knots [activity].

    Raises:
        ValueError: If there are fewer than two knots or they do not increase.
    """

    knots: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.knots) < 2 or not (np.diff(self.knots) > 0).all():
            raise ValueError(f"knots must increase strictly, found {self.knots}")

    @property
    def size(self) -> int:
        """Number of coefficients, the values at the knots."""
        return len(self.knots)

    def place(self, x: Float[Tensor, "..."]) -> tuple[Int[Tensor, "..."], Float[Tensor, "..."]]:
        """Piece that each value lies on, and how far along it; outside 0 .. 1 beyond the ends."""
        knots = torch.as_tensor(self.knots, dtype=x.dtype, device=x.device)
        piece = torch.bucketize(x, knots[1:-1].contiguous(), right=True)
        left = knots[piece]
        return piece, (x - left) / (knots[piece + 1] - left)

    def curve(
        self, coefficients: Float[Tensor, " C"], x: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Values of the curve with these values at the knots."""
        piece, share = self.place(x)
        c = coefficients.to(x)
        return torch.lerp(c[piece], c[piece + 1], share)

    def at(self, coefficients: NDArray, x: NDArray) -> NDArray[np.float64]:
        """The same for arrays."""
        values = self.curve(torch.as_tensor(coefficients), torch.as_tensor(x, dtype=torch.float64))
        return values.numpy()


def hat_knots(sample: NDArray, n_knots: int) -> NDArray[np.float64]:
    """Knots half evenly in activity and half by its quantiles, and one at rest.

    Zero is where a rectifier would bend, and where every transfer function is fixed. A thousandth
    of the activity lies beyond either end: enough to determine the last pieces.
    """
    low, high = (float(end) for end in np.quantile(sample, [_TAIL, 1 - _TAIL]))
    n_even = n_knots // 2
    even = np.linspace(low, high, n_even)
    levels = np.linspace(_TAIL, 1 - _TAIL, n_knots - n_even + 2)[1:-1]
    return _with_zero(np.concatenate([even, np.quantile(sample, levels)]))


def refined_hat_knots(
    hats: Hats, coefficients: NDArray, sample: NDArray, n_more: int
) -> NDArray[np.float64]:
    """More knots where the curve bends most: one in the middle of each neighbouring piece.

    Pieces count by how much the slope changes at their ends, times their length, times the root
    of the share of the activity on them.
    """
    knots = hats.knots
    slope = np.diff(coefficients) / np.diff(knots)
    bend = np.abs(np.diff(slope))
    at_ends = np.concatenate([[0.0], bend]) + np.concatenate([bend, [0.0]])
    share = np.histogram(sample, bins=knots)[0] / len(sample)
    worth = at_ends * np.diff(knots) * np.sqrt(share)
    best = np.argsort(-worth, kind="stable")[:n_more]
    middle = (knots[1:] + knots[:-1])[best] / 2
    return _with_zero(np.concatenate([knots, middle]))


def _with_zero(knots: NDArray) -> NDArray[np.float64]:
    """Sorted knots a thousandth of the range apart, the ends and zero among them."""
    low, high = float(knots.min()), float(knots.max())
    gap = _GAP * (high - low)
    fixed = [low, high] + ([0.0] if low + gap < 0 < high - gap else [])
    kept = np.array(sorted(fixed))
    for knot in np.sort(knots):
        if np.abs(kept - knot).min() > gap:
            kept = np.append(kept, knot)
    return np.sort(kept)
