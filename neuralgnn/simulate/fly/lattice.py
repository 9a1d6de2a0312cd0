"""The hexagonal lattice of columns. Axes: C columns.

Columns have axial coordinates (u, v), ordered by u, then v. On the eye's image a column is at
``x = sqrt(3)/2 v``, ``y = -(u + v/2)``, in units of the distance between neighbours; x points to
the right and y upwards.
"""

__all__ = ["columns", "mirrored", "n_columns", "places", "radius", "rotated"]

import numpy as np
from jaxtyping import Float, Int


def n_columns(extent: int) -> int:
    """Number of columns of a lattice of this radius."""
    return 3 * extent * (extent + 1) + 1


def columns(extent: int) -> Int[np.ndarray, "C 2"]:
    """Axial coordinates of the columns with ``|u|, |v|, |u + v| <= extent``."""
    axis = np.arange(-extent, extent + 1)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid[radius(grid) <= extent]


def radius(uv: Int[np.ndarray, "C 2"]) -> Int[np.ndarray, " C"]:
    """Steps from the centre to each column."""
    u, v = uv.T
    return np.max(np.abs([u, v, u + v]), axis=0)


def places(uv: Int[np.ndarray, "C 2"]) -> Float[np.ndarray, "C 2"]:
    """Where columns are on the image, x and y [column]."""
    u, v = uv.T
    return np.stack([np.sqrt(3) / 2 * v, -(u + v / 2)], axis=-1)


def rotated(extent: int, sixths: int) -> Int[np.ndarray, " C"]:
    """For each column the number of the one that a turn by sixths of a circle shows in it."""
    uv = columns(extent)
    for _ in range(sixths % 6):
        uv = np.stack([-uv[:, 1], uv[:, 0] + uv[:, 1]], axis=-1)
    return _numbers(uv, extent)


def mirrored(extent: int) -> Int[np.ndarray, " C"]:
    """For each column the number of the one that exchanging u and v shows in it."""
    return _numbers(columns(extent)[:, ::-1], extent)


def _numbers(uv: Int[np.ndarray, "C 2"], extent: int) -> Int[np.ndarray, " C"]:
    key = lambda at: (at[:, 0] + extent) * (2 * extent + 1) + at[:, 1] + extent  # noqa: E731
    return np.searchsorted(key(columns(extent)), key(uv))
