"""Panels of connectivity; ``W[post, pre]`` acts from ``pre`` on ``post``."""

__all__ = ["draw_weight_comparison", "draw_weights", "weight_limit"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from neuralgnn.plot.density import draw_count_bar, draw_density, draw_grouped_density
from neuralgnn.plot.style import DIVERGING, axis_label, r2_equation, require_dims


def weight_limit(weight: xr.DataArray) -> float:
    """End of the colour scale: 1.1 times the 99th percentile of the absolute weights."""
    limit = 1.1 * float(np.quantile(np.abs(weight.values), 0.99))
    return limit or float(np.abs(weight.values).max()) or 1.0


def draw_weights(
    ax: Axes, weight: xr.DataArray, *, limit: float | None = None, n_inset: int = 20
) -> AxesImage:
    """Draws a connectivity matrix, and enlarged its first rows and columns.

    Args:
        ax: Axes to draw on.
        weight: Dims ``(post, pre)``.
        limit: Weight at the ends of the colour scale; :func:`weight_limit` if not given.
        n_inset: Rows and columns in the inset; no inset in matrices less than four times as wide.

    Raises:
        ValueError: If the weights have other dims.
    """
    weight = require_dims(weight, "post", "pre", what="weight")
    limit = weight_limit(weight) if limit is None else limit
    n_post, n_pre = weight.shape
    color = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
    image = ax.imshow(weight.values, extent=(0, n_pre, n_post, 0), **color)
    ax.set(xlabel="sending neuron", ylabel="receiving neuron")
    ax.set(xticks=[0, n_pre], yticks=[0, n_post])
    ax.spines[["top", "right"]].set_visible(True)
    if n_inset and min(n_post, n_pre) >= 4 * n_inset:
        inset = ax.inset_axes((0.58, 0.58, 0.39, 0.39))
        inset.imshow(weight.values[:n_inset, :n_inset], **color)
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, linewidth=0.8)
        ax.add_patch(Rectangle((0, 0), n_inset, n_inset, fc="none", ec="k", lw=0.6))
    return image


def draw_weight_comparison(
    ax: Axes,
    true: xr.DataArray,
    learned: xr.DataArray,
    *,
    r2: float | None = None,
    slope: float | None = None,
    types: xr.DataArray | None = None,
    count_bar: bool = True,
    bins: int = 160,
) -> AxesImage:
    """Draws learned against true weights between different neurons, with the identity line.

    Every connection counts: the colour is the number of connections per bin, on a logarithmic
    scale. The range holds all true weights and 99.99 % of the learned ones, but is at most twice
    as wide as the former; how many lie beyond is written into the panel.

    Args:
        ax: Axes to draw on.
        true: Dims ``(post, pre)``.
        learned: Dims ``(post, pre)``, the same neurons.
        r2: Coefficient of determination to print.
        slope: Slope of learned on true to print.
        types: Types of the receiving neurons, dims ``(post,)``; connections then have the colour
            of their receiver, which tells families of lines apart.
        count_bar: Whether counts get a colour bar.
        bins: Bins in each direction.

    Raises:
        ValueError: If the weights have other dims.
        xarray.AlignmentError: If the two do not describe the same neurons.
    """
    true = require_dims(true, "post", "pre", what="true weight")
    learned = require_dims(learned, "post", "pre", what="learned weight")
    true, learned = xr.align(true, learned, join="exact")
    different = ~np.eye(*true.shape, dtype=bool)
    x, y = true.values[different].astype(float), learned.values[different].astype(float)
    true_end, learned_end = float(np.abs(x).max()), float(np.quantile(np.abs(y), 0.9999))
    limit = 1.06 * max(true_end, min(learned_end, 2 * true_end)) or 1.0
    span = (-limit, limit)
    if types is None:
        image = draw_density(ax, x, y, x_range=span, y_range=span, bins=bins)
        if count_bar:
            draw_count_bar(ax, image, label="connections", left=0.56, low=0.16)
    else:
        receiver = np.broadcast_to(types.values[:, None], true.shape)[different]
        image = draw_grouped_density(ax, x, y, receiver, x_range=span, y_range=span, bins=bins)
    ax.axline((0, 0), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)), zorder=3)
    ax.set(xlabel=axis_label(true, "true weight"), ylabel=axis_label(learned, "learned weight"))
    ax.locator_params(nbins=5)  # the same ticks in both directions
    ax.set_box_aspect(1)
    _write_scores(ax, r2, slope, n_beyond=int((np.abs(y) > limit).sum()))
    return image


def _write_scores(ax: Axes, r2: float | None, slope: float | None, *, n_beyond: int) -> None:
    lines = []
    if r2 is not None:
        lines.append(r2_equation(r2))
    if slope is not None:
        lines.append(f"slope = {slope:.3f}".replace("-", "\N{MINUS SIGN}"))
    if n_beyond:
        lines.append(f"{n_beyond:,} beyond")
    ax.text(0.05, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=6)
