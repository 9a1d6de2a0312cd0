"""Panels of recorded activity: many neurons over time."""

__all__ = ["draw_color_bar", "draw_kinograph", "draw_scale", "draw_traces"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from neuralgnn.plot.style import DIVERGING, axis_label, colors_of, mm, require_dims, type_colors


def draw_traces(
    ax: Axes,
    activity: xr.DataArray,
    *,
    types: xr.DataArray | None = None,
    offset: float | None = None,
) -> LineCollection:
    """Draws the activity of neurons below one another, the first one on top.

    Args:
        ax: Axes to draw on.
        activity: Dims ``(time, neuron)``.
        types: Types of the same neurons; they give the colours.
        offset: Activity between the zero lines of two traces; one standard deviation if not
            given.

    Raises:
        ValueError: If the activity has other dims.
        xarray.AlignmentError: If ``types`` are those of other neurons.
    """
    activity = require_dims(activity, "time", "neuron", what="activity")
    colors = colors_of(activity, types)
    values = activity.values
    if offset is None:
        offset = float(values.std()) or 1.0
    time = activity["time"].values
    level = -offset * np.arange(values.shape[1])
    segments = [np.column_stack([time, trace]) for trace in (values + level).T]
    lines = LineCollection(segments, colors=colors, linewidths=0.35, rasterized=True)
    ax.add_collection(lines)
    ax.set_xlim(time[0], time[-1])
    ax.set_ylim(level[-1] - 3 * offset, 3 * offset)
    ax.set(xlabel=axis_label(activity["time"], "time"), yticks=[])
    ax.set_ylabel(f"{values.shape[1]} neurons")
    ax.spines["left"].set_visible(False)
    draw_scale(ax)
    return lines


def draw_kinograph(
    ax: Axes, activity: xr.DataArray, *, types: xr.DataArray | None = None
) -> AxesImage:
    """Draws activity as colour over time and neuron, neurons sorted by type.

    Args:
        ax: Axes to draw on.
        activity: Dims ``(time, neuron)``.
        types: Types of the same neurons; a strip at the left shows them.

    Raises:
        ValueError: If the activity has other dims.
        xarray.AlignmentError: If ``types`` are those of other neurons.
    """
    activity = require_dims(activity, "time", "neuron", what="activity")
    values = activity.values.T  # (N, T)
    if types is not None:
        xr.align(activity, types, join="exact")
        order = np.argsort(types.values, kind="stable")
        values = values[order]
        strip = _beside(ax, start=-2.2, width=1.6)
        strip.imshow(type_colors(types.values[order])[:, None], aspect="auto")
        strip.set_axis_off()
    limit = float(np.quantile(np.abs(values), 0.99)) or 1.0
    time = activity["time"].values
    image = ax.imshow(
        values,
        aspect="auto",
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        extent=(float(time[0]), float(time[-1]), values.shape[0], 0),
        interpolation="antialiased",
    )
    ax.set(xlabel=axis_label(activity["time"], "time"), yticks=[])
    ax.set_ylabel(f"{values.shape[0]} neurons", labelpad=9)
    return image


def draw_color_bar(ax: Axes, mappable: ScalarMappable, *, label: str) -> Colorbar:
    """Draws a thin labelled colour bar at the right of the axes, as high as they are."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(mappable, cax=_beside(ax, start=1.3, width=1.5, right=True))
    bar.ax.set_title(label, loc="left", fontsize=6)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return bar


def draw_scale(ax: Axes, *, share: float = 0.12) -> float:
    """Draws a bar of a round amount of activity right of the lowest traces, and returns it.

    Args:
        ax: Axes whose vertical direction is activity with offsets.
        share: Largest height of the bar, as a share of the axes' height.
    """
    low, high = ax.get_ylim()
    most = share * (high - low)
    power = 10.0 ** np.floor(np.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most)
    transform = ax.get_yaxis_transform()
    ax.plot([1.012] * 2, [low, low + length], color="k", lw=1, transform=transform, clip_on=False)
    ax.text(
        1.02, low, rf"$\Delta x$ = {length:g}", transform=transform, va="bottom",
        fontsize=6, rotation=90,
    )  # fmt: skip
    return length


def _beside(ax: Axes, *, start: float, width: float, right: bool = False) -> Axes:
    """Axes of the same height that start so many mm from the left or right edge."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    across = ax.get_position().width * figure.get_size_inches()[0]
    return ax.inset_axes((right + mm(start) / across, 0, mm(width) / across, 1))
