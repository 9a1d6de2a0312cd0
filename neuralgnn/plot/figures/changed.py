"""Predictions for a network with other connections and other shares of neuron types."""

__all__ = ["compose_changed"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar
from neuralgnn.plot.connectivity import draw_weights, weight_limit
from neuralgnn.plot.figures.data import FigureData, known_types, number, select
from neuralgnn.plot.figures.rollouts import draw_rollout_row
from neuralgnn.plot.populations import draw_type_shares
from neuralgnn.plot.rollout import draw_rollout_r2
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, mm, sheet, style

_ROWS = (51.0, 109.0)  # of the variants [mm]
_VARIANTS = {
    "learned": "Learned: weights of the fitted model, the same connections removed in both",
    "published": "Published: newly drawn weights, given to simulator and model",
}


@style()
def compose_changed(data: FigureData, name: str) -> Figure:
    """Composes what was changed and R² over time on top, and a row of panels per variant.

    Args:
        data: ``changed_<name>``; ``functions`` or another store with the types of the neurons.
        name: Name of the changed network.
    """
    changed: xr.Dataset = select(data, f"changed_{name}")
    figure = sheet(DOUBLE_COLUMN, 158.0)
    shares = axes_mm(figure, 18.0, 10.0, 48.0, 16.0)
    over_time = axes_mm(figure, 86.0, 8.0, 66.0, 22.0)
    _draw_shares(shares, changed, _original_types(data))
    _draw_over_time(over_time, changed)
    letter_panel(shares, "a", left=14.0, up=4.0)
    letter_panel(over_time, "b", left=10.0)
    letters = iter("cdefghij")
    for top, variant in zip(_ROWS, changed["variant"].values, strict=False):
        axes = _row(figure, top)
        _draw_variant(axes, changed.sel(variant=variant))
        axes[0].annotate(
            _VARIANTS.get(str(variant), str(variant)), (0, 1), xytext=(-72 * mm(10), 72 * mm(8)),
            xycoords="axes fraction", textcoords="offset points",
        )  # fmt: skip
        for ax, left in zip(axes, (10, 6, 9, 5), strict=True):
            letter_panel(ax, next(letters), left=left, up=2.0)
    return figure


def _row(figure: Figure, top: float) -> tuple[Axes, Axes, Axes, Axes]:
    return (
        axes_mm(figure, 13.0, top, 34.0, 34.0),
        axes_mm(figure, 64.0, top, 40.0, 34.0),
        axes_mm(figure, 119.0, top, 26.0, 26.0),
        axes_mm(figure, 152.0, top, 26.0, 26.0),
    )


def _draw_variant(axes: tuple[Axes, Axes, Axes, Axes], changed: xr.Dataset) -> None:
    weight = changed["weight"]
    image = draw_weights(axes[0], weight, limit=weight_limit(weight))
    draw_color_bar(axes[0], image, label="$W_{ij}$")
    axes[0].set_title("true connectivity")
    types = changed["type"] if "type" in changed.variables else None
    if types is not None:
        types = types.reset_coords(drop=True)
    draw_rollout_row(axes[1], axes[2:], changed, types=types)


def _original_types(data: FigureData) -> xr.DataArray | None:
    return known_types({name: store for name, store in data.items() if "changed" not in name})


def _draw_shares(ax: Axes, changed: xr.Dataset, types: xr.DataArray | None) -> None:
    fractions = [float(part) for part in np.atleast_1d(changed.attrs["type_fractions"])]
    shares = {"changed": fractions}
    if types is not None:
        counts = np.bincount(types.values.astype(int), minlength=len(fractions))
        shares = {"original": [float(part) for part in counts / counts.sum()]} | shares
    draw_type_shares(ax, shares)
    filling = number(changed, "filling")
    if filling is not None:
        ax.set_title(f"{100 * filling:.3g} % of the connections kept", loc="left")


def _draw_over_time(ax: Axes, changed: xr.Dataset) -> None:
    frames = changed["report_frame"].values.tolist()
    for place, variant in enumerate(changed["variant"].values):
        draw_rollout_r2(
            ax,
            changed["r2"].sel(variant=variant),
            report_frames=frames if place == 0 else (),
            horizon=number(changed, "horizon_frames") if place == 0 else None,
            kind=5 - place,
            label=str(variant),
        )
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
