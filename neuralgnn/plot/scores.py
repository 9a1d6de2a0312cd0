"""Panels of metrics: our numbers beside the published ones."""

__all__ = ["Score", "draw_scores"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from neuralgnn.plot.style import type_color

_LOWEST = -0.5
"""Worse values are drawn here, with an arrow: how bad a useless model is does not matter."""


@dataclass(frozen=True)
class Score:
    """One row of the dot plot.

    Args:
        label: What was measured.
        values: Our values, one per seed, by series.
        published: The published value.
        ceiling: The largest value that the recording permits.
        group: What it was measured of.
    """

    label: str
    values: dict[str, tuple[float, ...]]
    published: float | None = None
    ceiling: float | None = None
    group: str = ""


def draw_scores(
    ax: Axes, scores: Sequence[Score], *, series: Sequence[str]
) -> list[PathCollection]:
    """Draws one row per score: our values as dots, the published one as an open diamond.

    Args:
        ax: Axes to draw on; values are written at its right.
        scores: Rows from top to bottom.
        series: Names of all series, in the order of their colours.

    Raises:
        ValueError: If there are no scores, or one has a series that is not listed.
    """
    if not scores:
        raise ValueError("no score to draw; were the metrics collected, do they have values?")
    dots = []
    step = 0.5 / max(len(series), 1)
    for row, score in enumerate(scores):
        for name, values in score.values.items():
            if name not in series:
                raise ValueError(f"series {name!r} of {score.label!r} is not in {series}")
            place = series.index(name)
            height = row + step * (place - (len(series) - 1) / 2)
            color = type_color(place)
            shown = np.maximum(values, _LOWEST)
            dots.append(ax.scatter(shown, [height] * len(shown), s=9, color=color, lw=0,
                                   alpha=0.75, clip_on=False, zorder=3))  # fmt: skip
            if (shown > values).any():
                ax.text(
                    _LOWEST, height, "\N{LEFTWARDS ARROW}", ha="right", va="center", fontsize=6
                )
        if score.published is not None:
            ax.scatter([score.published], [row], s=30, marker="D", fc="none", ec="0.35", lw=0.9,
                       clip_on=False, zorder=4)  # fmt: skip
        if score.ceiling is not None:
            ax.plot([score.ceiling] * 2, [row - 0.4, row + 0.4], color="k", lw=0.7, zorder=2)
    ax.set_ylim(len(scores) - 0.4, -0.6)
    ax.set_yticks(range(len(scores)), [score.label for score in scores])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="0.93", lw=0.5)
    ax.set_xlim(*_span(scores))
    return dots


def _span(scores: Sequence[Score]) -> tuple[float, float]:
    shown = [value for score in scores for values in score.values.values() for value in values]
    shown += [score.published for score in scores if score.published is not None]
    low, high = max(float(np.min(shown)), _LOWEST), float(np.max(shown))
    room = 0.04 * ((high - low) or 1.0)
    return low - room, high + room
