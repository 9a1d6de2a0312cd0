"""Panels of free-running predictions, and how long they stay with the truth."""

__all__ = ["draw_rollout_r2", "draw_rollout_scatter", "draw_rollout_traces"]

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from neuralgnn.plot.activity import draw_scale
from neuralgnn.plot.style import (
    TRUTH,
    axis_label,
    colors_of,
    r2_equation,
    r2_text,
    require_dims,
    type_color,
)

_NINES = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)


def draw_rollout_traces(
    ax: Axes,
    true: xr.DataArray,
    learned: xr.DataArray,
    *,
    types: xr.DataArray | None = None,
    report_frames: Sequence[int] = (),
    offset: float | None = None,
) -> LineCollection:
    """Draws predicted activity, thin, on the true one, wide and grey; neurons below one another.

    Args:
        ax: Axes to draw on.
        true: Activity of a few neurons, dims ``(frame, neuron)``.
        learned: Prediction from the same state, dims ``(frame, neuron)``.
        types: Types of the same neurons; they give the colours.
        report_frames: Frames to mark.
        offset: Activity between the zero lines of two neurons; three standard deviations if not
            given.

    Raises:
        ValueError: If an array has other dims.
        xarray.AlignmentError: If the two have other frames or neurons.
    """
    true = require_dims(true, "frame", "neuron", what="true rollout")
    learned = require_dims(learned, "frame", "neuron", what="learned rollout")
    true, learned = xr.align(true, learned, join="exact")
    frames, n_neurons = true["frame"].values, true.sizes["neuron"]
    if offset is None:
        offset = 3 * float(true.std()) or 1.0
    level = -offset * np.arange(n_neurons)
    colors = colors_of(true, types)
    ax.add_collection(_lines(frames, true.values + level, colors=TRUTH, linewidths=1.8))
    # A prediction that diverged leaves the axes; its huge numbers would overflow the drawing.
    predicted = np.clip(learned.values, -1e6, 1e6)
    lines = _lines(frames, predicted + level, colors=colors, linewidths=0.6)
    ax.add_collection(lines)
    ax.set(xlim=(frames[0], frames[-1]), ylim=(level[-1] - 0.9 * offset, 0.9 * offset))
    ax.set(xlabel="frames after the start", yticks=[], ylabel=f"{n_neurons} neurons")
    ax.spines["left"].set_visible(False)
    draw_scale(ax, share=0.09)
    _mark_frames(ax, report_frames)
    return lines


def draw_rollout_scatter(
    ax: Axes,
    true: xr.DataArray,
    learned: xr.DataArray,
    *,
    r2: xr.DataArray | None = None,
    types: xr.DataArray | None = None,
) -> PathCollection:
    """Draws predicted against true activity of all neurons at one frame, all starts together.

    Args:
        ax: Axes to draw on.
        true: Dims ``(start, neuron)``.
        learned: Dims ``(start, neuron)``.
        r2: Coefficient of determination of each start, dims ``(start,)``; median and
            interquartile range are printed.
        types: Types of the neurons; they give the colours.

    Raises:
        ValueError: If an array has other dims.
        xarray.AlignmentError: If the two have other starts or neurons.
    """
    true = require_dims(true, "start", "neuron", what="true rollout")
    learned = require_dims(learned, "start", "neuron", what="learned rollout")
    true, learned = xr.align(true, learned, join="exact")
    colors = colors_of(true, types)
    if not isinstance(colors, str):
        colors = np.tile(colors, (true.sizes["start"], 1))
    limit = 1.08 * (float(np.abs(true).max()) or 1.0)
    points = ax.scatter(
        true.values.ravel(), np.clip(learned.values, -1e6, 1e6).ravel(),
        s=1.6, c=colors, linewidths=0, alpha=0.5, rasterized=True,
    )  # fmt: skip
    ax.axline((0, 0), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)), zorder=0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ax.set(xlabel=axis_label(true, "true activity"), ylabel=axis_label(learned, "predicted"))
    ax.locator_params(nbins=4)  # the same ticks in both directions
    ax.set_box_aspect(1)
    if r2 is not None:
        ax.text(0.04, 0.97, _spread(r2), transform=ax.transAxes, va="top", fontsize=6)
    return points


def draw_rollout_r2(
    ax: Axes,
    r2: xr.DataArray,
    *,
    horizon: float | None = None,
    report_frames: Sequence[int] = (),
    kind: int = 0,
    label: str | None = None,
) -> LineCollection:
    """Draws R² of every start over time, and its median, on a scale that spreads R² near 1.

    The axis is the logarithm of 1 - R², downwards: a prediction that leaves the truth
    exponentially, as in chaos, is a straight line.

    Args:
        ax: Axes to draw on.
        r2: Dims ``(start, frame)``.
        horizon: Frames after which chaos parts any two neighbouring states; a line and its name.
        report_frames: Frames to mark.
        kind: Number of the colour, as of a neuron type, where several families share the axes.
        label: Name of the family for a legend.

    Raises:
        ValueError: If R² has other dims.
    """
    r2 = require_dims(r2, "start", "frame", what="R²")
    frames = r2["frame"].values
    lost = np.clip(1 - r2.values, 1e-6, 2.0)  # what is better or worse lies on the edge
    color = type_color(kind)
    ax.set(xlim=(frames[0], frames[-1]), yscale="log", ylim=(2.0, 1e-6))
    lines = _lines(frames, lost.T, colors=[color], linewidths=0.5, alpha=0.5)
    ax.add_collection(lines)
    ax.plot(frames, np.median(lost, axis=0), color=color, lw=1.3, label=label)
    ax.yaxis.set_major_locator(FixedLocator(_NINES))
    ax.yaxis.set_major_formatter(FixedFormatter([f"{1 - lost:.6g}" for lost in _NINES]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="frames after the start", ylabel="$R^2$ over neurons")
    _mark_frames(ax, report_frames)
    if horizon is not None and np.isfinite(horizon):
        _draw_horizon(ax, horizon, last=float(frames[-1]))
    return lines


def _draw_horizon(ax: Axes, horizon: float, *, last: float) -> None:
    transform = ax.get_xaxis_transform()
    name = f"Lyapunov horizon: {horizon:,.0f} frames"
    if horizon > last:
        ax.text(last, 1.03, f"{name} \N{RIGHTWARDS ARROW}", transform=transform, ha="right",
                fontsize=6)  # fmt: skip
        return
    ax.axvline(horizon, color="k", lw=0.8, ls=(0, (4, 1.5)), zorder=1)
    late = horizon > last / 2
    ax.text(horizon, 1.03, name, transform=transform, fontsize=6, ha="right" if late else "left")


def _mark_frames(ax: Axes, frames: Sequence[int]) -> None:
    for frame in frames:
        ax.axvline(frame, color="0.45", lw=0.5, ls=(0, (1, 1.5)), zorder=3)


def _lines(x: np.ndarray, y: np.ndarray, **line) -> LineCollection:
    """One line per column of ``y``."""
    return LineCollection([np.column_stack([x, column]) for column in y.T], **line)


def _spread(r2: xr.DataArray) -> str:
    low, middle, high = np.quantile(np.maximum(r2.values, -1e3), [0.25, 0.5, 0.75])
    middle_text = r2_equation(middle, most=5)
    low_text, high_text = r2_text(low, most=5), r2_text(high, most=5)
    if low_text == high_text:  # the range says no more than the median
        return middle_text
    return f"{middle_text}\n[{low_text}, {high_text}]"
