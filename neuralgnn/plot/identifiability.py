"""Panels on how well the recording determines the connectivity at all."""

__all__ = ["draw_spectrum", "draw_standard_error"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from neuralgnn.plot.density import draw_count_bar, draw_density
from neuralgnn.plot.style import INK, axis_label, require_dims


def draw_spectrum(
    ax: Axes, eigenvalue: xr.DataArray, *, effective_rank: float | None = None
) -> Line2D:
    """Draws the eigenvalues of the Gram matrix of psi(x), largest first.

    Args:
        ax: Axes to draw on.
        eigenvalue: Dims ``(component,)``; drawn relative to the first one.
        effective_rank: Number of directions that the activity explores; a line and its value.

    Raises:
        ValueError: If the eigenvalues have other dims.
    """
    eigenvalue = require_dims(eigenvalue, "component", what="eigenvalue")
    values = np.sort(eigenvalue.values)[::-1]
    rank = np.arange(1, len(values) + 1)
    (line,) = ax.loglog(rank, np.maximum(values / values[0], 1e-18), color=INK, lw=1.0)
    ax.set(xlabel="component", ylabel="eigenvalue / largest", xlim=(1, len(values)))
    if effective_rank is not None:
        # Ends above the text: what spans few dimensions would have the line through it.
        ax.axvline(effective_rank, ymin=0.32, color="0.45", lw=0.6, ls=(0, (4, 2)), zorder=0)
        ax.text(
            0.05, 0.07, f"effective rank\n{effective_rank:.1f} of {len(values):,}",
            transform=ax.transAxes, fontsize=6,
        )  # fmt: skip
    return line


def draw_standard_error(
    ax: Axes, standard_error: xr.DataArray, error: xr.DataArray, *, count_bar: bool = True
) -> AxesImage:
    """Draws the absolute error of every weight against its standard error, both as decades.

    If the standard errors are right, about two thirds of the connections lie below the line.

    Args:
        ax: Axes to draw on.
        standard_error: Expected error of each weight, dims ``(post, pre)``.
        error: Learned minus true weight, dims ``(post, pre)``.
        count_bar: Whether counts get a colour bar.

    Raises:
        ValueError: If an array has other dims, or no standard error is above zero.
        xarray.AlignmentError: If the two do not describe the same neurons.
    """
    standard_error = require_dims(standard_error, "post", "pre", what="standard error")
    error = require_dims(error, "post", "pre", what="error")
    standard_error, error = xr.align(standard_error, error, join="exact")
    x, y = standard_error.values.astype(float), np.abs(error.values.astype(float))
    shown = ~np.eye(*x.shape, dtype=bool) & (x > 0) & (y > 0)
    if not shown.any():
        raise ValueError("no standard error is above zero; were they not computed by this fit?")
    x, y = np.log10(x[shown]), np.log10(y[shown])
    ends = np.quantile(x, [0.0005, 0.9995])
    span = (float(np.floor(ends[0] - 1.0)), float(np.ceil(ends[1] + 0.7)))
    image = draw_density(ax, x, y, x_range=span, y_range=span, bins=120)
    ax.axline((0, 0), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)), zorder=3)
    ax.set(xlabel=axis_label(standard_error, "standard error"), ylabel="|learned − true weight|")
    ax.set_box_aspect(1)
    ax.tick_params(axis="x", pad=3)  # exponents of both axes meet in the corner
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda decade, _: f"$10^{{{decade:.0f}}}$"))
    if count_bar:
        draw_count_bar(ax, image, label="connections", left=0.06, low=0.84)
    return image
