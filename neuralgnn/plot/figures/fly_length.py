"""The fly from what a recording gives: scores against the number of frames."""

__all__ = ["figure"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style, type_color

_EXPERIMENT = "fly_050_length"
_FRAMES = {2_000: "2k", 8_000: "8k", 32_000: "32k"}
_CURVES = (("own", "constants of every neuron"), ("alike", "shared by cells of a type"))
_PANELS = (
    ("weights_r2", "$R^2$ of the weights"),
    ("time_constant_r2", r"$R^2$ of $\tau$"),
    ("resting_potential_r2", r"$R^2$ of $V^\mathrm{rest}$"),
)
_WORST = -0.2


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to c; see ``FIGURES["fly_length"]``.

    Args:
        data: ``metrics``: rows with ``experiment``, ``fit``, ``metric``, ``value`` and
            ``ceiling``.

    Raises:
        ValueError: If the experiment of the figure is not in the table.
    """
    every = list(select(data, "metrics"))
    rows = [row for row in every if row["experiment"] == _EXPERIMENT]
    if not rows:
        known = ", ".join(sorted({str(row["experiment"]) for row in every})) or "nothing"
        raise ValueError(f"figure fly_length shows {_EXPERIMENT}; the table has {known}")
    page = sheet(DOUBLE_COLUMN, 62.0)
    for number, (metric, name) in enumerate(_PANELS):
        ax = axes_mm(page, 16.0 + 59.0 * number, 14.0, 40.0, 36.0)
        _draw(ax, rows, metric)
        ax.set_ylabel(name)
        letter_panel(ax, "abc"[number], left=12.0)
        if number == 0:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1.17), ncols=3, fontsize=6)
    return page


def _draw(ax: Axes, rows: Sequence[Any], metric: str) -> None:
    lowest = 1.0
    for number, (kind, label) in enumerate(_CURVES):
        values = {
            at: _mean(rows, f"{kind}_{name}", metric, "value") for at, name in _FRAMES.items()
        }
        values = {at: value for at, value in values.items() if value is not None}
        ax.plot(list(values), list(values.values()), color=type_color(number), marker="o", ms=3,
                lw=0.9, label=label)  # fmt: skip
        lowest = min([lowest, *values.values()])
    limits = {at: _mean(rows, f"own_{name}", metric, "ceiling") for at, name in _FRAMES.items()}
    limits = {at: max(value, _WORST) for at, value in limits.items() if value is not None}
    ax.plot(list(limits), list(limits.values()), color="0.4", lw=0.8, ls=(0, (4, 2)), zorder=1,
            label="expected of every neuron's own")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(list(_FRAMES), [f"{at:,}" for at in _FRAMES])
    ax.minorticks_off()
    ax.set_xlabel("frames")
    low = max(min([lowest - 0.05, *limits.values()]), _WORST)
    ax.set_ylim(low, 1 + 0.04 * (1 - low))
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= 1 + 1e-9])


def _mean(rows: Sequence[Any], fit: str, metric: str, key: str) -> float | None:
    found = [
        float(row[key])
        for row in rows
        if (row["fit"], row["metric"]) == (fit, metric) and row[key] not in (None, "")
    ]
    return float(np.mean(found)) if found else None
