"""Flashes and moving edges: preference for bright or dark, and directions of T4 and T5."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    INK,
    TRUTH,
    axes_mm,
    letter_panel,
    sheet,
    style,
    type_color,
)

_SIDE = 32.0
_CELLS = [f"T{family}{letter}" for family in (4, 5) for letter in "abcd"]
_POLARITY = {1.0: type_color(1), -1.0: type_color(0)}  # bright orange, dark blue


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to i; see ``FIGURES["fly_probes"]``.

    Raises:
        ValueError: If the store is of another kind of cells.
    """
    probes: xr.Dataset = select(data, "probes")
    cells = [str(name) for name in probes["cell_type"].values]
    if missing := [cell for cell in _CELLS if cell not in cells]:
        raise ValueError(f"figure fly_probes shows {', '.join(missing)}, which the store lacks")
    page = sheet(DOUBLE_COLUMN, 142.0)
    top = axes_mm(page, 16.0, 10.0, 160.0, 30.0)
    _flash_indices(top, probes)
    letter_panel(top, "a")
    for number, cell in enumerate(_CELLS):
        left, row = 14.0 + 42.0 * (number % 4), 60.0 + 42.0 * (number // 4)
        ax = axes_mm(page, left, row, _SIDE, _SIDE)
        _tuning(ax, probes, cell)
        letter_panel(ax, "bcdefghi"[number], left=4.0)
    return page


def _flash_indices(ax: Axes, probes: xr.Dataset) -> None:
    names = [str(name) for name in probes["cell_type"].values]
    order = np.argsort(-probes["flash_index"].sel(network="true").values, kind="stable")
    known = probes["known_polarity"].values[order]
    place = np.arange(len(order))
    true = probes["flash_index"].sel(network="true").values[order]
    ax.bar(place, true, color=TRUTH, width=0.8)
    learned = probes["flash_index"].sel(network="learned").values[order]
    ax.scatter(place, learned, s=6, color=INK, lw=0, zorder=3)
    ax.axhline(0, color="k", lw=0.5)
    ax.set_xticks(place, [names[k] for k in order], rotation=90, fontsize=5)
    for label, polarity in zip(ax.get_xticklabels(), known, strict=True):
        label.set_color(_POLARITY.get(float(polarity), "0.5"))
    ax.tick_params(axis="x", length=0, pad=1)
    ax.set(xlim=(-1, len(order)), ylabel="flash response index")
    marks = [
        Line2D([], [], color=TRUTH, lw=4, label="true network"),
        Line2D([], [], ls="", marker="o", ms=2.5, mew=0, color=INK, label="learned"),
        Line2D([], [], ls="", label="known to prefer:"),
        Line2D([], [], ls="", marker="s", ms=4, mew=0, color=_POLARITY[1.0], label="bright"),
        Line2D([], [], ls="", marker="s", ms=4, mew=0, color=_POLARITY[-1.0], label="dark"),
    ]
    ax.legend(handles=marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(marks))


def _tuning(ax: Axes, probes: xr.Dataset, cell: str) -> None:
    """Peak activity by direction as a closed curve, for the contrast that the cell is made for."""
    contrast = "bright" if cell.startswith("T4") else "dark"
    of_cell = probes.sel(cell_type=cell, contrast=contrast)
    angle = np.deg2rad(np.append(probes["angle"].values, probes["angle"].values[0]))
    largest = float(of_cell["tuning"].max()) or 1.0
    for radius in (0.5, 1.0):
        ax.add_patch(Circle((0, 0), radius, fill=False, color="0.88", lw=0.5))
    for network, look in (
        ("true", {"color": TRUTH, "lw": 2.4}),
        ("learned", {"color": INK, "lw": 0.8}),
    ):
        values = of_cell["tuning"].sel(network=network).values / largest
        values = np.append(values, values[0])
        ax.plot(values * np.cos(angle), values * np.sin(angle), **look)
    known = np.deg2rad(float(of_cell["known_direction"]))
    ax.annotate("", (1.25 * np.cos(known), 1.25 * np.sin(known)), (0, 0),
                arrowprops={"arrowstyle": "->", "color": type_color(1), "lw": 0.8})  # fmt: skip
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xticks=[], yticks=[], aspect="equal")
    ax.set_title(f"{cell}, {contrast} edge", fontsize=6, pad=2)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    learned = of_cell.sel(network="learned")
    text = (
        f"DSI {float(learned['selectivity']):.2f}, "
        f"{float(learned['preferred_direction']):.0f}° (true network "
        f"{float(of_cell['selectivity'].sel(network='true')):.2f}, "
        f"{float(of_cell['preferred_direction'].sel(network='true')):.0f}°)"
    )
    ax.text(0.5, -0.02, text, transform=ax.transAxes, ha="center", va="top", fontsize=5)
    ax.text(1.3, -1.25, f"peak {largest:.2g}", ha="right", fontsize=5, color="0.4")
