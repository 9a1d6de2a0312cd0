"""A fit on a graph on one page: response, weights, constants, functions, cell types."""

__all__ = ["figure"]

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar, draw_kinograph
from neuralgnn.plot.edges import draw_against_truth, draw_curves
from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.figures.data import FigureData, evenly, known_types, number, select
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style

_PANEL = 42.0
_COLUMNS = (14.0, 73.0, 132.0)
_ROWS = (8.0, 74.0, 132.0)
_CURVES = 2000  # neurons whose functions are drawn


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to g; see ``FIGURES["fly"]``.

    Args:
        data: ``prediction``, ``weights``, ``functions``, ``neurons``.

    Without truth, panels b to d say so.
    """
    neurons: xr.Dataset = select(data, "neurons")
    weights: xr.Dataset = select(data, "weights")
    types = known_types(data)
    page = sheet(DOUBLE_COLUMN, 182.0)
    top = axes_mm(page, _COLUMNS[0], _ROWS[0], 156.0, 52.0)
    _response(top, select(data, "prediction"), types)
    axes = [axes_mm(page, left, row, _PANEL, _PANEL) for row in _ROWS[1:] for left in _COLUMNS]
    _constants(axes[:3], weights, neurons, types)
    functions = select(data, "functions")
    some = functions.isel(neuron=evenly(functions.sizes["neuron"], _CURVES))
    of_some = types if types is None else types.isel(
        neuron=evenly(functions.sizes["neuron"], _CURVES)
    )  # fmt: skip
    for ax, name in zip(axes[3:5], ("update", "transfer"), strict=True):
        true = some.get(f"true_{name}")
        draw_curves(ax, some["voltage"], some[name], true=true, types=of_some)
    constants = neurons["embedding"].isel(latent=slice(None, 2))
    draw_embedding(axes[5], constants, types=types, size=3.0)
    for ax, letter in zip((top, *axes), "abcdefg", strict=True):
        letter_panel(ax, letter)
    return page


def _constants(
    axes: list[Axes], weights: xr.Dataset, neurons: xr.Dataset, types: xr.DataArray | None
) -> None:
    if "true_weight" not in weights:
        for ax in axes:
            ax.text(0.5, 0.5, "truth not known", transform=ax.transAxes, ha="center", color="0.5")
            ax.set(xticks=[], yticks=[])
        return
    draw_against_truth(
        axes[0],
        weights["true_weight"],
        weights["learned_weight"],
        r2=number(weights, "weights_r2"),
        unit="edges",
    )
    for ax, name in zip(axes[1:], ("time_constant", "resting_potential"), strict=True):
        r2 = number(neurons, f"{name}_r2")
        draw_against_truth(ax, neurons[f"true_{name}"], neurons[name], r2=r2, types=types)


def _response(ax: Axes, prediction: xr.Dataset, types: xr.DataArray | None) -> None:
    response = prediction["response"].rename(response_time="time", response_cell="neuron")
    response = response.assign_coords(
        time=("time", prediction["time"].values[: response.sizes["time"]], {"units": "s"})
    )
    chosen = prediction["response_neuron"].values
    of_these = None if types is None else types.isel(neuron=chosen)
    draw_color_bar(ax, draw_kinograph(ax, response, types=of_these), label="$v$")
    ax.set_xlabel("time [s]")
