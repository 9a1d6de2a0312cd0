"""A function of one variable from a table of its values. Axes: B frames, N neurons, G points."""

__all__ = ["interpolate"]

from jaxtyping import Float
from torch import Tensor


def interpolate(
    values: Float[Tensor, " G"], x: Float[Tensor, "B N"], grid: Float[Tensor, " G"]
) -> Float[Tensor, "B N"]:
    """Linear interpolation on an even grid; differentiable in the values, not in x.

    An MLP with ReLUs is linear between its kinks, so the only error is in cells with a kink: at
    most a quarter of the change of slope times the cell's width.

    Args:
        values: Function at the grid points.
        x: Where it is wanted; beyond the grid the last cell's line goes on.
        grid: Evenly spaced, increasing.
    """
    low, step = grid[0], grid[1] - grid[0]
    position = (x.detach() - low) / step
    cell = position.floor().clamp(0, len(grid) - 2).long()
    share = position - cell
    flat = cell.reshape(-1)
    # One-dimensional gathers: their gradient is a plain sum into G values.
    left, right = values.gather(0, flat), values.gather(0, flat + 1)
    return left.view_as(x).lerp(right.view_as(x), share)
