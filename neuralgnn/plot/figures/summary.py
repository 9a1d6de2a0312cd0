"""All numbers with a published counterpart, ours beside it, and the raw R² of W."""

__all__ = ["collect_scores", "figure"]

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.scores import Score, draw_scores
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, r2_text, sheet, style, type_color

_ROW = 3.8  # [mm]
_LEFT, _WIDTH = 62.0, 52.0  # of the dots [mm]
_COLUMN = 12.0  # at most, of the numbers beside them [mm]
# Without a published value, but shown: what the published correction does is seen beside it.
_RAW = "weights_r2"
_SHARES = ("r2", "pearson2", "slope", "accuracy", "ari", "nmi")


@style()
def figure(data: FigureData) -> Figure:
    """Draws a row per experiment and metric; see ``FIGURES["summary"]``.

    Args:
        data: ``metrics``: rows with ``experiment``, ``fit``, ``target``, ``seed``, ``metric``,
            ``value``, ``published`` and ``ceiling``, as mappings or a DataFrame.

    Raises:
        ValueError: If no row has a published value.
    """
    scores, fits = collect_scores(select(data, "metrics"))
    height = _ROW * max(len(scores), 1)
    drawn = sheet(DOUBLE_COLUMN, 28.0 + height)
    ax = axes_mm(drawn, _LEFT, 16.0, _WIDTH, height)
    draw_scores(ax, scores, series=fits)
    ax.set_xlabel("value")
    _write_experiments(ax, scores)
    _write_columns(ax, scores, fits)
    marks = [
        *(_mark(fit.replace("_", " "), "o", type_color(k)) for k, fit in enumerate(fits)),
        Line2D([], [], ls="", marker="D", ms=4, mfc="none", mec="0.35", label="published"),
    ]
    # More than three in a row would reach over the columns.
    n_columns = len(marks) if len(marks) <= 3 else 2
    ax.legend(handles=marks, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns,
              columnspacing=1.0, handletextpad=0.2)  # fmt: skip
    return drawn


def _write_experiments(ax: Axes, scores: Sequence[Score]) -> None:
    """Writes each experiment once, with a line between it and the one before."""
    transform = ax.get_yaxis_transform()
    edge = 4 / _WIDTH  # of the sheet's left and right margin [share of the axes]
    left, right = edge - _LEFT / _WIDTH, (DOUBLE_COLUMN - _LEFT) / _WIDTH - edge
    for row, score in enumerate(scores):
        if row and scores[row - 1].group == score.group:
            continue
        ax.text(left, row, score.group, transform=transform, va="center")
        if row:
            ax.plot([left, right], [row - 0.5] * 2, transform=transform, color="0.8", lw=0.5,
                    clip_on=False, zorder=1)  # fmt: skip


def _write_columns(ax: Axes, scores: Sequence[Score], fits: Sequence[str]) -> None:
    """Writes the medians over seeds and the published values right of the dots."""
    transform = ax.get_yaxis_transform()
    columns = [*fits, "published"]
    room = DOUBLE_COLUMN - _LEFT - _WIDTH - 4
    width = min(_COLUMN, room / len(columns))
    for place, column in enumerate(columns):
        at = 1 + (2 + width * (place + 0.5)) / _WIDTH
        head = column.replace("_", " ").replace(" ", "\n")
        ax.text(at, -0.7, head, transform=transform, va="bottom", ha="center", fontsize=6)
        for row, score in enumerate(scores):
            text = _cell(score, column)
            ax.text(at, row, text, transform=transform, va="center", ha="center", fontsize=6)


def _cell(score: Score, column: str) -> str:
    if column == "published":
        return "–" if score.published is None else _number(score.published)
    if column not in score.values:
        return "–"
    median = float(np.median(score.values[column]))
    return f"{median:.3f}" if median > 1 else r2_text(median, most=5)  # a slope may be above 1


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def collect_scores(metrics: Any) -> tuple[list[Score], list[str]]:
    """Groups the rows that have a published value, and the raw R² of W; names of fits with them.

    Experiments come in the order of their numbers. Counts and seconds have no place on an axis of
    shares and are left to the table.

    Args:
        metrics: Rows as mappings, or a DataFrame.
    """
    rows = metrics.to_dict("records") if hasattr(metrics, "to_dict") else list(metrics)
    shown = [row for row in rows if _is_shown(row)]
    several = len({row["target"] for row in shown}) > 1
    grouped: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for row in sorted(shown, key=lambda row: _numbers_by_value(row["experiment"])):
        series = f"{row['fit']} ({row['target']})" if several else str(row["fit"])
        grouped.setdefault((row["experiment"], row["metric"]), []).append((series, row))
    fits = sorted({series for group in grouped.values() for series, _ in group})
    return [_score(name, group) for name, group in grouped.items()], fits


def _numbers_by_value(name: str) -> list[tuple[int, str]]:
    """Sorts ``supp_8_5`` before ``supp_8_10`` before ``supp_10``."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _is_shown(row: Mapping[str, Any]) -> bool:
    metric = str(row["metric"])
    a_share = any(word in metric.split("_") for word in _SHARES)
    compared = metric == _RAW or _finite(row.get("published")) is not None
    return a_share and compared and _finite(row["value"]) is not None


def _score(name: tuple[str, str], group: list[tuple[str, Mapping[str, Any]]]) -> Score:
    values: dict[str, tuple[float, ...]] = {}
    for series, row in group:
        values[series] = (*values.get(series, ()), float(row["value"]))
    experiment, metric = name
    rows = [row for _, row in group]
    return Score(
        label=_words(metric),
        group=experiment.replace("_", " "),
        values=values,
        published=_finite(rows[0]["published"]),
        ceiling=_finite(rows[0].get("ceiling")),
    )


def _words(name: str) -> str:
    """A metric's name as it is read."""
    name = re.sub(r"_published(_correction)?(?=_|$)", "*", name)
    name = re.sub(r"^weights_", "W_", name)
    name = re.sub(r"^changed_(.*?)(\*?)_(r2_)", r"network of \1: \3\2", name)
    name = re.sub(r"r2_(\*?)(\d+)(\*?)$", r"r2\1\3 at frame \2", name)
    return name.replace("_", " ").replace("r2", "$R^2$").replace("W ", "$W$: ")


def _finite(value: Any) -> float | None:
    """A number from a table cell; None for an empty or not finite one."""
    if value is None or value == "":
        return None
    return float(value) if np.isfinite(float(value)) else None


def _mark(label: str, marker: str, color: Any) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=3.5, mew=0, color=color, label=label)
