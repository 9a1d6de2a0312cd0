"""A fit on a graph on one page: response, weights, constants, functions, cell types."""

__all__ = ["figure"]

import re

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar, draw_kinograph
from neuralgnn.plot.edges import draw_against_truth, draw_curves
from neuralgnn.plot.embedding import draw_embedding, draw_projection
from neuralgnn.plot.figures.data import FigureData, evenly, known_types, number, select
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    axes_mm,
    letter_panel,
    r2_equation,
    sheet,
    style,
)

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
    _response(top, select(data, "prediction"), types, neurons.get("cell_type"))
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
    _map(axes[5], neurons, types)
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
    share, r2 = (
        number(weights, name) for name in ("weights_identifiable_share", "weights_r2_identifiable")
    )
    if share is not None and share < 1 and r2 is not None:
        text = f"determined ({100 * share:.1f} %):\n{r2_equation(r2)}"
        axes[0].text(0.05, 0.86, text, transform=axes[0].transAxes, va="top", fontsize=6)
    for ax, name in zip(axes[1:], ("time_constant", "resting_potential"), strict=True):
        r2 = number(neurons, f"{name}_r2")
        draw_against_truth(ax, neurons[f"true_{name}"], neurons[name], r2=r2, types=types)


def _response(
    ax: Axes, prediction: xr.Dataset, types: xr.DataArray | None, names: xr.DataArray | None
) -> None:
    """Activity around its mean in units of its spread: neurons differ a hundredfold in both."""
    response = prediction["response"].rename(response_time="time", response_cell="neuron")
    response = response.assign_coords(
        time=("time", prediction["time"].values[: response.sizes["time"]], {"units": "s"})
    )
    spread = response.std("time")
    response = (response - response.mean("time")) / spread.where(spread > 0, 1.0)
    chosen = prediction["response_neuron"].values
    of_these = None if types is None else types.isel(neuron=chosen)
    draw_color_bar(ax, draw_kinograph(ax, response, types=of_these), label="$z$ score")
    ax.set_xlabel("time [s]")
    if of_these is not None and names is not None:
        _name_families(ax, np.sort(of_these.values), [str(name) for name in names.values])


def _name_families(ax: Axes, kinds: np.ndarray, names: list[str]) -> None:
    """Writes the families of cell types, such as Tm, beside their rows."""
    families = [_family(names[kind]) for kind in kinds]
    starts = [k for k in range(len(families)) if k == 0 or families[k] != families[k - 1]]
    stops = [*starts[1:], len(families)]
    shown: list[tuple[float, str]] = []
    for start, stop in zip(starts, stops, strict=True):
        middle = (start + stop) / 2  # names closer than a line's height would overlap
        if not shown or middle - shown[-1][0] > 0.04 * len(families):
            shown.append((middle, families[start]))
    ax.set_yticks([middle for middle, _ in shown], [name for _, name in shown])
    ax.tick_params(axis="y", length=0, pad=8, labelsize=6)
    for start in starts[1:]:
        ax.axhline(start, color="0.2", lw=0.3)
    ax.set_ylabel("")


def _family(name: str) -> str:
    """Tm of Tm5a, T4 of T4c."""
    found = re.match(r"T\d|[A-Z][A-Za-z]*", name)
    return found.group() if found else name


def _map(ax: Axes, neurons: xr.Dataset, types: xr.DataArray | None) -> None:
    if "projection" not in neurons:
        constants = neurons["embedding"].isel(latent=slice(None, 2))
        draw_embedding(ax, constants, types=types, size=3.0)
        return
    draw_projection(ax, neurons["projection"], types=types, size=3.0)
    accuracy = number(neurons, "type_accuracy")
    if accuracy is not None:
        by_bic = number(neurons, "type_bic_accuracy") or 0.0
        text = f"accuracy {accuracy:.3f}\nclusters by BIC: {by_bic:.3f}"
        ax.set_title(text, fontsize=6, pad=2)
