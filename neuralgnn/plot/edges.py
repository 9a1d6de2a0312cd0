"""Panels of fits on a graph: one number per edge or per neuron, curves over own ranges."""

__all__ = ["draw_against_truth", "draw_curves", "draw_spectrum", "draw_type_errors"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage

from neuralgnn.plot.density import draw_count_bar, draw_density
from neuralgnn.plot.style import (
    INK,
    TRUTH,
    axis_label,
    colors_of,
    r2_equation,
    require_dims,
    type_color,
)


def draw_against_truth(
    ax: Axes,
    true: xr.DataArray,
    learned: xr.DataArray,
    *,
    r2: float | None = None,
    types: xr.DataArray | None = None,
    unit: str = "",
) -> AxesImage | None:
    """Draws learned against true numbers with the identity line.

    Numbers without types are drawn as counts per bin, others as points in their types' colours.

    Args:
        ax: Axes to draw on.
        true: One dim.
        learned: The same dim.
        r2: Coefficient of determination to print.
        types: Types of the same neurons; they give the colours.
        unit: Name of what a point is, for the colour bar of counts.

    Raises:
        xarray.AlignmentError: If the arrays are of different things.
    """
    true, learned = xr.align(true, learned, join="exact")
    x, y = true.values.astype(float), learned.values.astype(float)
    low, high = float(x.min()), float(x.max())
    room = 0.05 * ((high - low) or 1.0)
    span = (low - room, high + room)
    image = None
    if types is None:
        image = draw_density(ax, x, y, x_range=span, y_range=span)
        draw_count_bar(ax, image, label=unit, left=0.56, low=0.16)
    else:
        colors = colors_of(true, types)
        ax.scatter(x, y, s=3, c=colors, lw=0, alpha=0.6, rasterized=True)
        ax.set(xlim=span, ylim=span)
    ax.axline((low, low), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)), zorder=3)
    ax.set(xlabel=axis_label(true, "true"), ylabel=axis_label(learned, "learned"))
    ax.locator_params(nbins=5)
    ax.set_box_aspect(1)
    lines = [] if r2 is None else [r2_equation(r2)]
    if beyond := int(((y < span[0]) | (y > span[1])).sum()):
        lines.append(f"{beyond:,} beyond")
    ax.text(0.05, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=6)
    return image


def draw_curves(
    ax: Axes,
    voltage: xr.DataArray,
    learned: xr.DataArray,
    *,
    true: xr.DataArray | None = None,
    types: xr.DataArray | None = None,
) -> LineCollection:
    """Draws the function of every neuron over its own range of activity, true ones in grey.

    Args:
        ax: Axes to draw on.
        voltage: Dims ``(neuron, point)``.
        learned: Dims ``(neuron, point)``.
        true: Dims ``(neuron, point)``.
        types: Types of the same neurons; they give the colours.

    Raises:
        ValueError: If an array has other dims.
    """
    voltage = require_dims(voltage, "neuron", "point", what="voltage")
    learned = require_dims(learned, "neuron", "point", what="learned function")
    x = voltage.values
    shown = learned.values if true is None else true.values
    if true is not None:
        true = require_dims(true, "neuron", "point", what="true function")
        segments = np.stack([x, true.values], axis=-1)
        ax.add_collection(LineCollection(list(segments), colors=TRUTH, lw=1.6, rasterized=True))
    segments = np.stack([x, learned.values], axis=-1)
    lines = LineCollection(
        list(segments), colors=colors_of(learned, types), lw=0.4, alpha=0.5, rasterized=True
    )
    ax.add_collection(lines)
    low, high = np.quantile(shown, [0.001, 0.999])
    room = 0.08 * ((high - low) or 1.0)
    left, right = np.quantile(x, [0.001, 0.999])
    ax.set(xlim=(left, right), ylim=(low - room, high + room))
    ax.set(xlabel=axis_label(voltage, "activity $v$"), ylabel=axis_label(learned, "function"))
    return lines


def draw_spectrum(
    ax: Axes, true: xr.DataArray, learned: xr.DataArray, *, logarithmic: bool = False
) -> None:
    """Draws true and learned values in falling order.

    Args:
        ax: Axes to draw on.
        true: One dim.
        learned: One dim.
        logarithmic: Whether the vertical axis is.
    """
    rank = np.arange(1, len(true) + 1)
    ax.plot(rank, true.values, color=TRUTH, lw=2.2, label="true")
    ax.plot(np.arange(1, len(learned) + 1), learned.values, color=INK, lw=0.8, label="learned")
    if logarithmic:
        ax.set_yscale("log")
    ax.set(xlabel="rank")
    ax.legend()


def draw_type_errors(
    ax: Axes, values: xr.DataArray, types: xr.DataArray, names: xr.DataArray | None
) -> None:
    """Draws the root mean square of a number over the neurons of each type, one bar per type.

    Args:
        ax: Axes to draw on.
        values: Errors, dims ``(neuron,)``.
        types: Types of the same neurons.
        names: Names of the types; None: their numbers.
    """
    kinds = np.unique(types.values)
    heights = [float(np.sqrt((values.values[types.values == kind] ** 2).mean())) for kind in kinds]
    place = np.arange(len(kinds))
    ax.bar(place, heights, width=0.8, color=[type_color(int(kind)) for kind in kinds])
    labels = [str(kind) if names is None else str(names.values[kind]) for kind in kinds]
    ax.set_xticks(place, labels, rotation=90, fontsize=4.5)
    ax.set_xlim(-0.7, len(kinds) - 0.3)
    ax.tick_params(axis="x", length=0, pad=1)
    ax.set_ylabel(axis_label(values, "error"))
