"""Free-running prediction under held-out stimuli."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neuralgnn.plot.figures.data import FigureData, known_types, select
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    INK,
    TRUTH,
    axes_mm,
    letter_panel,
    sheet,
    style,
)

_FRAMES = 500


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to c; see ``FIGURES["fly_rollout"]``."""
    prediction: xr.Dataset = select(data, "prediction")
    page = sheet(DOUBLE_COLUMN, 120.0)
    traces = axes_mm(page, 14.0, 8.0, 110.0, 98.0)
    _traces(traces, prediction, known_types(data), select(data, "neurons"))
    upper = axes_mm(page, 140.0, 8.0, 36.0, 40.0)
    lower = axes_mm(page, 140.0, 66.0, 36.0, 40.0)
    for ax, name, label in (
        (upper, "rollout_rmse", "RMSE of the rollout"),
        (lower, "rollout_unexplained", "1 − $R^2$ of the rollout"),
    ):
        values = prediction[name].values
        values = values[np.isfinite(values) & (values > 0)]
        ax.set(xlabel=label, ylabel="neurons", xscale="log")
        if len(values):
            ax.hist(values, bins=np.geomspace(values.min(), values.max() * 1.01, 40), color=INK)
    for ax, letter in zip((traces, upper, lower), "abc", strict=True):
        letter_panel(ax, letter)
    return page


def _traces(
    ax: Axes, prediction: xr.Dataset, types: xr.DataArray | None, neurons: xr.Dataset
) -> None:
    first = prediction.isel(time=slice(_FRAMES))
    true, learned = first["true"].values, first["predicted"].values
    chosen = first["shown_neuron"].values
    kinds = None if types is None else types.values[chosen]
    # Every neuron around its own mean and in units of its own range: some hardly move.
    middle, spread = true.mean(0), np.ptp(true, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    true, learned = ((values - middle) / spread for values in (true, learned))
    offset = 1.1
    level = -offset * np.arange(true.shape[1])
    time = first["time"].values
    for values, style_of in (
        (true, {"colors": TRUTH, "lw": 1.6}),
        (learned, {"colors": INK, "lw": 0.5}),  # some colours of types are as light as the grey
    ):
        segments = [np.column_stack([time, trace]) for trace in (values + level).T]
        ax.add_collection(LineCollection(segments, rasterized=True, **style_of))
    ax.set(xlim=(time[0], time[-1]), ylim=(level[-1] - offset, offset), xlabel="time [s]")
    ax.legend(
        [Line2D([], [], color=TRUTH, lw=1.6), Line2D([], [], color=INK, lw=0.5)],
        ["simulated", "predicted"],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
    )
    if kinds is not None and "cell_type" in neurons:
        names = [str(neurons["cell_type"].values[kind]) for kind in kinds]
        ax.set_yticks(level, names)
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
    ax.spines["left"].set_visible(False)
