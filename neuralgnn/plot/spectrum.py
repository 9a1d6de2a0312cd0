"""Panels of eigenvalues, singular values and the vectors that belong to them."""

__all__ = ["draw_alignment", "draw_eigenvalues", "draw_overlap", "draw_singular_values"]

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from neuralgnn.plot.style import INK, TRUTH, require_dims, type_color

_SIDES = {"left": 0, "right": 1}  # coloured as these types


def draw_eigenvalues(
    ax: Axes, learned: xr.DataArray, *, true: xr.DataArray | None = None
) -> PathCollection:
    """Draws eigenvalues in the complex plane, true ones as grey rings, and the spectral radius.

    Args:
        ax: Axes to draw on.
        learned: Dims ``(…, part)``, the parts being real and imaginary.
        true: The same of the true weights.

    Raises:
        ValueError: If there is no dim ``part``.
    """
    found = _points(learned, "learned eigenvalues")
    if true is not None:
        known = _points(true, "true eigenvalues")
        ax.scatter(*known.T, s=11, facecolors="none", edgecolors="0.62", lw=0.7, label="true")
    dots = ax.scatter(*found.T, s=2.5, color=INK, lw=0, label="learned")
    reference = found if true is None else _points(true, "true eigenvalues")
    radius = float(np.hypot(*reference.T).max())
    ax.add_patch(Circle((0, 0), radius, fill=False, ec="0.45", lw=0.6, ls=(0, (4, 2))))
    limit = 1.3 * max(radius, float(np.hypot(*found.T).max())) or 1.0
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="Re λ", ylabel="Im λ")
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    if true is not None:
        ax.legend(loc="upper left", handletextpad=0.1, borderpad=0.1, borderaxespad=0.1)
    return dots


def draw_singular_values(
    ax: Axes, learned: xr.DataArray, *, true: xr.DataArray | None = None
) -> Line2D:
    """Draws singular values by rank, true ones as a wide grey line.

    Args:
        ax: Axes to draw on.
        learned: One dim, largest first.
        true: The same of the true weights.
    """
    if true is not None:
        ax.plot(np.arange(1, true.size + 1), true.values, color=TRUTH, lw=2.6, label="true")
    (line,) = ax.plot(
        np.arange(1, learned.size + 1), learned.values, color=INK, lw=0.9, label="learned"
    )
    # The smallest values are those of a direction that was not learned, far below all others.
    low = float(np.quantile(learned.values, 0.02))
    top = max(float(values.max()) for values in (learned, true) if values is not None)
    ax.set(xscale="log", yscale="log", xlim=(1, max(learned.size, 2)))
    if 0 < low < top:
        ax.set_ylim(low / 1.5, top * 1.6)
    ax.set(xlabel="rank", ylabel="singular value")
    if true is not None:
        ax.legend(loc="lower left", borderaxespad=0.2)
    return line


def draw_alignment(
    ax: Axes, left: xr.DataArray, right: xr.DataArray, *, chance: np.ndarray, word: str
) -> list[Line2D]:
    """Draws the alignment of true and learned vectors pair by pair, with the level of chance.

    Args:
        ax: Axes to draw on.
        left: Alignment of the left vectors, one dim.
        right: Alignment of the right vectors, the same dim.
        chance: Expected alignment of unrelated vectors, for all pairs or one for all.
        word: What the vectors are, such as ``singular vector``.

    Raises:
        ValueError: If both have different lengths.
    """
    if left.sizes != right.sizes:
        raise ValueError(f"left has sizes {dict(left.sizes)}, right {dict(right.sizes)}")
    pair = np.arange(1, left.size + 1)
    lines: list[Line2D] = []
    for (side, kind), values in zip(_SIDES.items(), (left, right), strict=True):
        color = type_color(kind)
        style = {"ls": "", "marker": "o", "mew": 0.7, "ms": 3.0 if side == "left" else 1.8}
        fill = "none" if side == "left" else color
        lines += ax.plot(pair, values.values, color=color, mfc=fill, label=side, **style)
    ax.plot(pair, np.broadcast_to(chance, pair.shape), color="0.45", lw=0.7, ls=(0, (4, 2)))
    ax.set(ylim=(0, 1.05), xlim=(0, left.size + 1), xlabel=word, ylabel="|cosine| with true")
    low = min(float(left.min()), float(right.min()))
    place: dict[str, Any] = {"loc": "best"}
    if low > 0.6:  # room below the points and above the level of chance
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.25)}
    ax.legend(handletextpad=0.1, borderaxespad=0.2, **place)
    ax.annotate(
        "chance", (0.5, float(np.max(chance))), xytext=(0, 2),
        textcoords="offset points", ha="left", va="bottom", color="0.35", fontsize=6,
    )  # fmt: skip
    return lines


def draw_overlap(ax: Axes, overlap: xr.DataArray, *, n_neurons: int) -> Line2D:
    """Draws the common share of the leading left singular subspaces, with the level of chance.

    Args:
        ax: Axes to draw on.
        overlap: By dimension of the subspaces, one dim.
        n_neurons: Number of neurons; unrelated subspaces of k dimensions share k / N.
    """
    size = np.arange(1, overlap.size + 1)
    (line,) = ax.plot(size, overlap.values, color=INK, lw=1.0)
    ax.plot(size, size / n_neurons, color="0.45", lw=0.7, ls=(0, (4, 2)))
    ax.set(ylim=(0, 1.05), xlim=(0, overlap.size + 1))
    ax.set(xlabel="leading dimensions", ylabel="common share of subspace")
    ax.annotate(
        "chance", (overlap.size, overlap.size / n_neurons), xytext=(0, 2),
        textcoords="offset points", ha="right", va="bottom", color="0.35", fontsize=6,
    )  # fmt: skip
    return line


def _points(eigenvalues: xr.DataArray, what: str) -> np.ndarray:
    others = [str(dim) for dim in eigenvalues.dims if dim != "part"]
    return require_dims(eigenvalues, *others[:1], "part", what=what).values
