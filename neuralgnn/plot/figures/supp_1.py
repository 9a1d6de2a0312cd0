"""Supplementary figure 1: what training does, checkpoint by checkpoint."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar
from neuralgnn.plot.connectivity import weight_limit
from neuralgnn.plot.figures.data import FigureData, evenly, select, shown_types
from neuralgnn.plot.montage import draw_checkpoint
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, r2_equation, sheet, style

_LEFT, _SIDE = 15.0, 17.6  # first panel and side of all [mm]
_ACROSS = 19.9  # from panel to panel [mm]
_ROWS = (7.0, 35.0, 62.5, 90.5, 121.5)  # upper edges [mm]
_COLUMNS = 8


@style()
def figure(data: FigureData) -> Figure:
    """Draws eight columns of five panels; see ``FIGURES["supp_1"]``.

    Args:
        data: ``montage``, ``weights``, ``functions``, and ``embedding`` for clusters where types
            are not known.

    Raises:
        ValueError: If the true connectivity is not known.
    """
    montage: xr.Dataset = select(data, "montage")
    weights, functions = select(data, "weights"), select(data, "functions")
    if "true_weight" not in weights:
        raise ValueError("the montage compares with true_weight, which the store weights lacks")
    true_weight = _of_same_neurons(weights["true_weight"], montage)
    chosen = evenly(montage.sizes["checkpoint"], _COLUMNS)
    types, _ = shown_types(data)
    drawn = sheet(DOUBLE_COLUMN, 148.0)
    columns = [_column(drawn, _LEFT + place * _ACROSS) for place in range(len(chosen))]
    for axes, checkpoint in zip(columns, chosen, strict=True):
        one = montage.isel(checkpoint=checkpoint)
        draw_checkpoint(
            axes,
            one,
            true_update=functions.get("true_update"),
            true_transfer=functions.get("true_transfer"),
            true_weight=true_weight,
            types=types,
            limit=weight_limit(weights["true_weight"]),
        )
        axes[0].set_title(f"step {_step(one):,}", fontsize=6)
        axes[4].set_title(_scores(one), fontsize=6)
    draw_color_bar(columns[-1][3], columns[-1][3].images[0], label="$W_{ij}$")
    for row, letter in zip(zip(*columns, strict=True), "abcde", strict=True):
        _share(row)
        letter_panel(row[0], letter, left=13.0, up=0.5)
    return drawn


def _column(drawn: Figure, left: float) -> list[Axes]:
    return [axes_mm(drawn, left, top, _SIDE, _SIDE) for top in _ROWS]


def _step(checkpoint: xr.Dataset) -> int:
    name = "step" if "step" in checkpoint.coords else "checkpoint"
    return int(checkpoint[name])


def _of_same_neurons(true: xr.DataArray, montage: xr.Dataset) -> xr.DataArray:
    """True weights of the neurons of the montage: of large networks it holds only some."""
    true = true.reset_coords(drop=True).drop_vars(["post", "pre"], errors="ignore")
    for dim in ("post", "pre"):
        if dim in montage.coords:
            true = true.isel({dim: montage[dim].values}).assign_coords({dim: montage[dim]})
    return true


def _scores(checkpoint: xr.Dataset) -> str:
    return f"{r2_equation(float(checkpoint['r2']))}\nslope = {float(checkpoint['slope']):.2f}"


def _share(row: tuple[Axes, ...]) -> None:
    """Gives the axes of a row one range, and labels to the first one only."""
    for low_high, set_range in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        ends = np.array([getattr(ax, low_high)() for ax in row])
        falls = ends[0, 0] > ends[0, 1]  # rows of matrices count downwards
        span = (ends.min(), ends.max())
        for ax in row:
            getattr(ax, set_range)(span[::-1] if falls else span)
    for ax in row:
        ax.tick_params(labelleft=ax is row[0], labelbottom=ax is row[0] or not ax.yaxis_inverted())
        ax.xaxis.label.set_fontsize(6)
        ax.yaxis.label.set_fontsize(6)
    for ax in row[1:]:
        ax.set(xlabel="", ylabel="")
