"""Panels on which connections were found."""

__all__ = ["draw_precision_recall"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from neuralgnn.plot.style import INK, require_dims, type_color

_NAMES = {"weight": "$|W|$", "z": "$|W|$ / error"}


def draw_precision_recall(
    ax: Axes,
    precision: xr.DataArray,
    recall: xr.DataArray,
    *,
    share_present: float,
    found: tuple[float, float] | None = None,
    areas: dict[str, float] | None = None,
) -> list[Line2D]:
    """Draws precision against recall for both orders of the connections.

    Args:
        ax: Axes to draw on.
        precision: Dims ``(score, point)``, with names of the scores.
        recall: The same.
        share_present: Share of pairs that are connected: precision of a random order.
        found: Recall and precision of the found graph.
        areas: Average precision of each score.

    Raises:
        ValueError: If one has other dims.
    """
    precision = require_dims(precision, "score", "point", what="precision")
    recall = require_dims(recall, "score", "point", what="recall")
    lines = []
    for place, score in enumerate(precision["score"].values.astype(str)):
        label = str(_NAMES.get(score, score))
        if areas and score in areas:
            label += f"  (area {areas[score]:.3f})"
        # The first point of a curve has no connections at all, hence no precision.
        lines += ax.plot(
            recall.values[place], precision.values[place], color=type_color(place),
            lw=1.6 if place == 0 else 1.0, ls="-" if place == 0 else (0, (3, 1)), label=label,
        )  # fmt: skip
    ax.axhline(share_present, color="0.45", lw=0.7, ls=(0, (4, 2)), zorder=0)
    above = share_present < 0.5
    ax.annotate(
        "chance", (0.02, share_present), xytext=(0, 2 if above else -2),
        textcoords="offset points", ha="left", va="bottom" if above else "top", color="0.35",
        fontsize=6,
    )  # fmt: skip
    if found is not None and np.isfinite(found).all():
        lines += ax.plot(*found, marker="D", ms=4.5, mfc="w", mec=INK, ls="", label="found graph")
    ax.set(xlim=(0, 1.03), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 0.25 if share_present < 0.3 else 0.0))
    ax.set_box_aspect(1)
    return lines
