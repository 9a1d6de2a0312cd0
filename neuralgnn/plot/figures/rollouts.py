"""Predictions from held-out states, one panel each for traces, marked frames and R² over time."""

__all__ = ["compose_rollout", "draw_rollout_row", "median_start"]

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData, evenly, known_types, number, select
from neuralgnn.plot.rollout import draw_rollout_r2, draw_rollout_scatter, draw_rollout_traces
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style


@style()
def compose_rollout(data: FigureData) -> Figure:
    """Composes traces at the left, two marked frames and R² over time at the right.

    Args:
        data: ``rollout``; ``functions`` or another store with the types of the neurons.
    """
    rollout: xr.Dataset = select(data, "rollout")
    figure = sheet(DOUBLE_COLUMN, 104.0)
    traces = axes_mm(figure, 10.0, 8.0, 74.0, 84.0)
    scatters = [axes_mm(figure, left, 8.0, 31.0, 31.0) for left in (106.0, 146.0)]
    over_time = axes_mm(figure, 106.0, 58.0, 71.0, 34.0)
    draw_rollout_row(traces, scatters, rollout, types=known_types(data))
    frames = rollout["report_frame"].values.tolist()
    horizon = number(rollout, "horizon_frames")
    draw_rollout_r2(over_time, rollout["r2"], horizon=horizon, report_frames=frames)
    for ax, letter, left in zip(
        (traces, *scatters, over_time), "abcd", (7, 10, 6, 14), strict=True
    ):
        letter_panel(ax, letter, left=left)
    return figure


def draw_rollout_row(
    traces: Axes, scatters: Sequence[Axes], rollout: xr.Dataset, *, types: xr.DataArray | None
) -> None:
    """Draws ten neurons from the median start, and all neurons at the frames of the report.

    Args:
        traces: Axes for the ten neurons.
        scatters: Axes for the first and the last frame of the report.
        rollout: ``true`` and ``learned`` with dims ``(start, frame, neuron)``, ``r2`` with dims
            ``(start, frame)``, coordinates ``frame``, ``start_frame`` and ``report_frame``.
        types: Types of the neurons; they give the colours.
    """
    rollout = rollout.drop_vars(["neuron", "type"], errors="ignore")
    frames = [int(frame) for frame in rollout["report_frame"].values]
    some = evenly(rollout.sizes["neuron"], 10)
    one = rollout.isel(start=median_start(rollout["r2"], frames[-1]), neuron=some)
    chosen = None if types is None else types.isel(neuron=some)
    draw_rollout_traces(traces, one["true"], one["learned"], types=chosen, report_frames=frames)
    if "start_frame" in rollout.coords:
        traces.set_title(f"start: frame {int(one['start_frame']):,}", loc="left", fontsize=6)
    for ax, frame in zip(scatters, (frames[0], frames[-1]), strict=True):
        then = rollout.sel(frame=frame)
        draw_rollout_scatter(ax, then["true"], then["learned"], r2=then["r2"], types=types)
        ax.set_title(f"frame {frame:,}")
    for ax in scatters[1:]:
        ax.set_ylabel("")


def median_start(r2: xr.DataArray, frame: int) -> int:
    """Number of the start whose R² at a frame is the median one (the lower of two)."""
    order = np.argsort(r2.sel(frame=frame).values, kind="stable")
    return int(order[(len(order) - 1) // 2])
