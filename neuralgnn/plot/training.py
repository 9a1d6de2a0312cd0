"""Panels of what happened during training."""

__all__ = ["draw_loss", "draw_progress"]

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from neuralgnn.plot.style import INK, TRUTH, require_dims, type_color


def draw_progress(ax: Axes, score: xr.DataArray, *, label: str = "$R^2$ of weights") -> Line2D:
    """Draws a score of the model at each checkpoint.

    Args:
        ax: Axes to draw on.
        score: Dims ``(checkpoint,)`` with a coordinate ``step`` or the steps as ``checkpoint``.
        label: Name of the score.

    Raises:
        ValueError: If the score has other dims.
    """
    score = require_dims(score, "checkpoint", what="score")
    steps = score["step"] if "step" in score.coords else score["checkpoint"]
    (line,) = ax.plot(steps.values, score.values, color=INK, lw=0.9, marker="o", ms=2.5, mew=0)
    ax.axhline(1, color=TRUTH, lw=0.5, zorder=0)
    ax.set(xlabel="training step", ylabel=label, ylim=(min(0.0, float(score.min())), 1.05))
    return line


def draw_loss(ax: Axes, terms: Mapping[str, xr.DataArray]) -> list[Line2D]:
    """Draws the terms of the loss over training on a logarithmic scale.

    Args:
        ax: Axes to draw on.
        terms: Value of each term by name, dims ``(step,)``; what is not above zero is left out.

    Raises:
        ValueError: If a term has other dims.
    """
    lines = []
    for kind, (name, term) in enumerate(terms.items()):
        term = require_dims(term, "step", what=f"loss term {name!r}")
        value = np.where(term.values > 0, term.values, np.nan)
        lines += ax.plot(term["step"].values, value, color=type_color(kind), label=name, lw=0.8)
    ax.set(xlabel="training step", ylabel="loss", yscale="log")
    if len(lines) > 1:
        ax.legend()
    return lines
