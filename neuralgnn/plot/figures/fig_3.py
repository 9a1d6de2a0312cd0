"""Figure 3: a hidden field, and the network it drives, from activity alone."""

__all__ = ["field_limits", "figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar, draw_traces
from neuralgnn.plot.connectivity import draw_weight_comparison
from neuralgnn.plot.field import draw_field, draw_field_comparison, draw_field_traces
from neuralgnn.plot.figures.data import FigureData, evenly, known_types, number, select
from neuralgnn.plot.style import DIVERGING, DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style

_LEFT, _ACROSS = 12.0, 33.5  # of the montage: first column, from column to column [mm]
_SHOWN = 5  # frames of the montage


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to h; see ``FIGURES["fig_3"]``.

    Args:
        data: ``activity``, ``weights``, ``functions``, ``embedding``, ``field``.

    Raises:
        ValueError: If the true field is not known.
    """
    field: xr.Dataset = select(data, "field")
    weights: xr.Dataset = select(data, "weights")
    if "true_field" not in field or "true_weight" not in weights:
        raise ValueError(
            "the figure compares with true_field and true_weight, which the stores field and "
            "weights lack; was the recording simulated with a movie?"
        )
    page = sheet(DOUBLE_COLUMN, 215.0)
    limits = field_limits(field)
    first = axes_mm(page, _LEFT, 8.0, 29.0, 29.0)
    image = draw_field(first, field["true_field"].isel(frame=0), limits=limits)
    draw_color_bar(first, image, label="Ω")
    first.set_title("field, frame 0")
    states = [axes_mm(page, left, 8.0, 29.0, 29.0) for left in (57.0, 88.0)]
    _states(states, data)
    traces = axes_mm(page, 136.0, 8.0, 36.0, 29.0)
    _traces(traces, data)
    compared = [axes_mm(page, left, 54.0, 42.0, 42.0) for left in (24.0, 108.0)]
    _compared(compared, weights, field)
    rows = [
        [axes_mm(page, _LEFT + k * _ACROSS, top, 30.0, 30.0) for k in range(_SHOWN)]
        for top in (113.0, 147.0)
    ]
    _montage(rows, field, limits)
    over_time = axes_mm(page, _LEFT + 4, 184.0, 160.0, 20.0)
    _over_time(over_time, field)
    lettered = (first, states[0], traces, *compared, rows[0][0], rows[1][0], over_time)
    for ax, letter in zip(lettered, "abcdefgh", strict=True):
        letter_panel(ax, letter)
    return page


def field_limits(field: xr.Dataset) -> tuple[float, float]:
    """Ends of the common colour scale: smallest and largest true value, else learned one."""
    values = field["true_field" if "true_field" in field else "learned_field"].values
    return float(values.min()), float(values.max())


def _states(axes: list[Axes], data: FigureData) -> None:
    """Activity of the driven neurons at frame 0 on their grid, and of as many others."""
    field, activity = select(data, "field"), select(data, "activity")
    x = activity.isel(time=0).values
    shape = field.sizes["row"], field.sizes["column"]
    first, n_driven = int(field.attrs["first_neuron"]), shape[0] * shape[1]
    driven = x[first : first + n_driven]
    others = np.delete(x, np.arange(first, first + n_driven))[:n_driven]
    others = np.append(others, np.full(n_driven - len(others), np.nan))
    limit = float(np.quantile(np.abs(x), 0.99))
    dims = ("row", "column")
    images = [
        draw_field(
            ax,
            xr.DataArray(values.reshape(shape), dims=dims),
            limits=(-limit, limit),
            colors=DIVERGING,
        )
        for ax, values in zip(axes, (driven, others), strict=True)
    ]
    for ax, title in zip(axes, ("driven", "not driven"), strict=True):
        ax.set_title(f"$x$, {title}")
    draw_color_bar(axes[1], images[-1], label="$x$")


def _traces(ax: Axes, data: FigureData) -> None:
    activity, types = select(data, "activity"), known_types(data)
    some = evenly(activity.sizes["neuron"], 40)
    often = slice(None, None, max(1, activity.sizes["time"] // 1500))
    shown = activity.isel(neuron=some, time=often)
    draw_traces(ax, shown, types=None if types is None else types.isel(neuron=some))
    ax.set_ylabel(f"{len(some)} of {activity.sizes['neuron']:,} neurons")


def _compared(axes: list[Axes], weights: xr.Dataset, field: xr.Dataset) -> None:
    draw_weight_comparison(
        axes[0],
        weights["true_weight"],
        weights["learned_weight"],
        r2=number(weights, "r2"),
        slope=number(weights, "slope"),
    )
    true, learned = (_gauged(field, name) for name in ("true", "learned"))
    draw_field_comparison(
        axes[1], true, learned, r2=number(field, "r2"), slope=number(field, "slope")
    )


def _gauged(field: xr.Dataset, name: str) -> xr.DataArray:
    """A field with mean 1 over time at every pixel."""
    values = field[f"{name}_field"] / field[f"{name}_mean"]
    return values.assign_attrs(long_name=rf"{name} $\Omega\,/\,\langle\Omega\rangle_t$", units="1")


def _montage(rows: list[list[Axes]], field: xr.Dataset, limits: tuple[float, float]) -> None:
    """The true field above the learned one, on the common scale of the true one."""
    last = float(field["frame"].max())
    step = 10 ** np.floor(np.log10(max(last / (_SHOWN - 1), 1)))
    step *= max(m for m in (1, 2, 5) if m * step * (_SHOWN - 1) <= last)
    learned = field["learned_field"] * (number(field, "common_factor") or 1.0)
    for k in range(_SHOWN):
        for axes, values in zip(rows, (field["true_field"], learned), strict=True):
            draw_field(axes[k], values.sel(frame=k * step, method="nearest"), limits=limits)
        at = int(field["frame"].sel(frame=k * step, method="nearest"))
        rows[0][k].set_title(f"frame {at:,}")
    for axes, word in zip(rows, ("true", "learned"), strict=True):
        axes[0].set_ylabel(word)


def _over_time(ax: Axes, field: xr.Dataset) -> None:
    """Three pixels along the diagonal."""
    rows, columns = field.sizes["row"], field.sizes["column"]
    at = {
        "row": xr.DataArray([rows // 6, rows // 2, 5 * rows // 6], dims="pixel"),
        "column": xr.DataArray([columns // 6, columns // 2, 5 * columns // 6], dims="pixel"),
    }
    true, learned = (_gauged(field, name).isel(at) for name in ("true", "learned"))
    draw_field_traces(ax, learned.transpose("frame", "pixel"), true.transpose("frame", "pixel"))
    ax.set_ylabel(r"$\Omega\,/\,\langle\Omega\rangle_t$")
