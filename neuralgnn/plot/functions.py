"""Panels of the learned functions: update phi_i(x) and transfer psi(x)."""

__all__ = [
    "draw_pair_transfer",
    "draw_transfer",
    "draw_update",
    "draw_visited",
    "within_visited",
    "zoom",
]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.ticker import MaxNLocator

from neuralgnn.plot.style import TRUTH, axis_label, colors_of, require_dims


def draw_update(
    ax: Axes,
    learned: xr.DataArray,
    *,
    true: xr.DataArray | None = None,
    types: xr.DataArray | None = None,
) -> LineCollection:
    """Draws the update function of every neuron over the true ones in grey.

    Args:
        ax: Axes to draw on.
        learned: Dims ``(neuron, activity)``.
        true: Dims ``(type, activity)``, on the same grid of activity.
        types: Types of the same neurons; they give the colours.

    Raises:
        ValueError: If an array has other dims.
        xarray.AlignmentError: If grids or neurons differ.
    """
    learned = require_dims(learned, "neuron", "activity", what="learned update")
    alone = learned.sizes["neuron"] == 1
    ax.set_ylabel(r"update $\phi(x)$" if alone else r"update $\phi_i(x)$")
    return _draw_family(ax, learned, true=true, types=types)


def draw_transfer(
    ax: Axes,
    learned: xr.DataArray,
    *,
    true: xr.DataArray | None = None,
    types: xr.DataArray | None = None,
) -> LineCollection:
    """Draws the transfer function, one or one per sending neuron, over the true ones in grey.

    Args:
        ax: Axes to draw on.
        learned: Dims ``(sender, activity)``; one sender if all neurons share the function.
        true: Dims ``(type, activity)``, on the same grid of activity.
        types: Types of the senders, where every neuron has a function of its own.

    Raises:
        ValueError: If an array has other dims.
        xarray.AlignmentError: If grids or neurons differ.
    """
    learned = require_dims(learned, "sender", "activity", what="learned transfer")
    if learned.sizes["sender"] == 1:
        types = None
    elif types is not None:
        types = types.rename({types.dims[0]: "sender"})
    ax.set_ylabel(r"transfer $\psi(x)$")
    return _draw_family(ax, learned, true=true, types=types)


def draw_pair_transfer(
    ax: Axes,
    learned: xr.DataArray,
    *,
    true: xr.DataArray | None = None,
    types: xr.DataArray | None = None,
) -> list[LineCollection]:
    """Draws the transfer functions towards each type of receivers, each type in a square.

    Args:
        ax: Axes whose place the squares take; left without frame.
        learned: Dims ``(receiver_type, sender, activity)``.
        true: Dims ``(receiver_type, type, activity)``, on the same grid of activity.
        types: Types of the senders; they give the colours.

    Raises:
        ValueError: If an array has other dims.
        xarray.AlignmentError: If grids or types of receivers differ.
    """
    learned = require_dims(learned, "receiver_type", "sender", "activity", what="learned transfer")
    if true is not None:
        true = require_dims(true, "receiver_type", "type", "activity", what="true transfer")
        learned, true = xr.align(learned, true, join="exact")
    ax.set_axis_off()
    ax.set(xticks=[], yticks=[])
    n_kinds = learned.sizes["receiver_type"]
    n_columns = int(np.ceil(n_kinds**0.5))
    n_rows = -(-n_kinds // n_columns)
    width, height = 1.0 / n_columns, 1.0 / n_rows
    drawn = []
    for kind in range(n_kinds):
        row, column = divmod(kind, n_columns)
        place = (column * width, 1 - (row + 1) * height, 0.94 * width, 0.94 * height)
        square = ax.inset_axes(place)
        lines = draw_transfer(
            square,
            learned.isel(receiver_type=kind),
            true=None if true is None else true.isel(receiver_type=kind),
            types=types,
        )
        drawn.append(lines)
        square.set(ylim=(-1.3, 1.9), yticks=(-1, 0, 1))  # room for the title
        square.annotate(
            f"to type {kind + 1}", (0.05, 0.95), xycoords="axes fraction", va="top", fontsize=6
        )
        if column:
            square.set(ylabel="", yticklabels=[])
        if row + 1 < n_rows:
            square.set(xlabel="", xticklabels=[])
    return drawn


def within_visited(
    curves: xr.DataArray,
    low: xr.DataArray,
    high: xr.DataArray,
    *,
    dim: str = "sender",
    by: xr.DataArray | None = None,
) -> xr.DataArray:
    """Curves of neurons, or of their types, where the neuron (type) has been; NaN elsewhere.

    Args:
        curves: Dims ``(…, sender, activity)``, or ``(…, type, activity)`` with ``by``.
        dim: Name of the dimension of neurons.
        low: Lowest activity of each neuron, dims ``(neuron,)``.
        high: Its highest activity.
        by: Types of the neurons: a type has been wherever one of its neurons has.
    """
    if by is not None:
        dim, members = "type", [by.values == kind for kind in np.unique(by.values)]
        low = xr.DataArray([low.values[each].min() for each in members], dims=dim)
        high = xr.DataArray([high.values[each].max() for each in members], dims=dim)
    else:
        low, high = (xr.DataArray(end.values, dims=dim) for end in (low, high))
    activity = curves["activity"]
    return curves.where((activity >= low) & (activity <= high)).transpose(*curves.dims)


def draw_visited(
    ax: Axes, density: xr.DataArray, *, low: float | None = None, high: float | None = None
) -> PolyCollection:
    """Draws how often the activity takes each value along the lower edge of the axes.

    Args:
        ax: Axes whose horizontal direction is activity.
        density: Dims ``(activity,)``; drawn relative to its largest value.
        low: Lower end of the range in which functions are compared; a thin line if given.
        high: Its upper end.

    Raises:
        ValueError: If the density has other dims.
    """
    density = require_dims(density, "activity", what="density")
    height = density.values / (float(density.max()) or 1.0)
    band = ax.fill_between(
        density["activity"].values,
        0.14 * height,
        transform=ax.get_xaxis_transform(),
        color="0.88",
        lw=0,
        zorder=0,
    )
    for end in (low, high):
        if end is not None:
            ax.axvline(end, ymax=0.14, color="0.6", lw=0.5, zorder=0)
    return band


def zoom(ax: Axes, *, half_width: float, shown: xr.DataArray) -> None:
    """Narrows axes with functions to the middle of the activity, where types differ.

    Args:
        ax: Axes with functions, such as an inset.
        half_width: Largest absolute activity that stays.
        shown: Functions that fill the axes, with dim ``activity``.
    """
    middle = shown.where(np.abs(shown["activity"]) <= half_width, drop=True)
    low, high = float(middle.min()), float(middle.max())
    room = 0.08 * ((high - low) or 1.0)
    ax.set(xlim=(-half_width, half_width), ylim=(low - room, high + room), xlabel="", ylabel="")
    ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))


def _draw_family(
    ax: Axes, learned: xr.DataArray, *, true: xr.DataArray | None, types: xr.DataArray | None
) -> LineCollection:
    colors = colors_of(learned, types)
    shown = learned.values
    if true is not None:
        true = require_dims(true, "type", "activity", what="true function")
        learned, true = xr.align(learned, true, join="exact")
        ax.plot(true["activity"].values, true.values.T, color=TRUTH, lw=2.6, zorder=1)
        shown = true.values
    grid = learned["activity"].values
    segments = [np.column_stack([grid, curve]) for curve in learned.values]
    alone = len(segments) == 1
    lines = LineCollection(
        segments,
        colors=colors,
        linewidths=0.9 if alone else 0.5,
        alpha=1.0 if alone else 0.5,
        rasterized=not alone,
        zorder=2,
    )
    ax.add_collection(lines)
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    room = (high - low) or 1.0
    ax.set(xlim=(grid[0], grid[-1]), ylim=(low - 0.22 * room, high + 0.08 * room))
    ax.set_xlabel(axis_label(learned["activity"], "activity $x$"))
    return lines
