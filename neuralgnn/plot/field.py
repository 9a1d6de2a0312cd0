"""Panels of a field over a grid of neurons."""

__all__ = ["FIELD_MAP", "draw_field", "draw_field_comparison", "draw_field_traces"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from neuralgnn.plot.density import draw_count_bar, draw_density
from neuralgnn.plot.style import TRUTH, axis_label, r2_equation, require_dims, type_color

FIELD_MAP = "gray"


def draw_field(
    ax: Axes,
    field: xr.DataArray,
    *,
    limits: tuple[float, float],
    colors: str = FIELD_MAP,
) -> AxesImage:
    """Draws one value per neuron of a grid as colour.

    Args:
        ax: Axes to draw on.
        field: Dims ``(row, column)``.
        limits: Values at the ends of the colour scale.
        colors: Name of the colour map.

    Raises:
        ValueError: If the field has other dims.
    """
    field = require_dims(field, "row", "column", what="field")
    image = ax.imshow(
        field.values, cmap=colors, vmin=limits[0], vmax=limits[1], interpolation="nearest"
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return image


def draw_field_comparison(
    ax: Axes,
    true: xr.DataArray,
    learned: xr.DataArray,
    *,
    r2: float | None = None,
    slope: float | None = None,
    bins: int = 120,
) -> AxesImage:
    """Draws learned against true values of a field as counts per bin, with the identity line.

    Args:
        ax: Axes to draw on.
        true: Dims ``(frame, row, column)``.
        learned: The same.
        r2: Coefficient of determination to print.
        slope: Slope of learned on true to print.
        bins: Bins in each direction.

    Raises:
        xarray.AlignmentError: If the two are not of the same frames and pixels.
    """
    true, learned = xr.align(true, learned, join="exact")
    x, y = true.values.ravel().astype(float), learned.values.ravel().astype(float)
    low, high = float(x.min()), float(x.max())
    room = 0.06 * (high - low) or 1.0
    span = (low - room, high + room)
    image = draw_density(ax, x, y, x_range=span, y_range=span, bins=bins)
    draw_count_bar(ax, image, label="pixels × frames", left=0.56, low=0.16)
    ax.axline((low, low), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)), zorder=3)
    ax.set(xlabel=axis_label(true, "true field"), ylabel=axis_label(learned, "learned field"))
    ax.locator_params(nbins=5)
    ax.set_box_aspect(1)
    lines = [] if r2 is None else [r2_equation(r2)]
    lines += [] if slope is None else [f"slope = {slope:.3f}"]
    ax.text(0.05, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=6)
    return image


def draw_field_traces(
    ax: Axes, learned: xr.DataArray, true: xr.DataArray | None = None
) -> list[Line2D]:
    """Draws a field over time at some pixels, learned over true.

    Args:
        ax: Axes to draw on.
        learned: Dims ``(frame, pixel)``, coordinate ``frame``.
        true: The same; None: not known.

    Raises:
        ValueError: If an array has other dims.
    """
    learned = require_dims(learned, "frame", "pixel", what="learned field")
    lines: list[Line2D] = []
    if true is not None:
        true = require_dims(true, "frame", "pixel", what="true field")
        lines += ax.plot(true["frame"], true.values, color=TRUTH, lw=2.2)
    for pixel, trace in enumerate(learned.values.T):
        lines += ax.plot(learned["frame"], trace, color=type_color(pixel), lw=0.7)
    frames = learned["frame"].values
    ax.set_xlim(float(np.min(frames)), float(np.max(frames)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set(xlabel="frame", ylabel=axis_label(learned, "field"))
    return lines
