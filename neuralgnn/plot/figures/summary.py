"""All numbers with a published counterpart, ours beside it."""

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

_ROW = 5.0  # [mm]
_SHARES = ("r2", "pearson2", "slope", "accuracy", "ari", "nmi")


@style()
def figure(data: FigureData) -> Figure:
    """Draws a row per experiment and metric; see ``FIGURES["summary"]``.

    Args:
        data: ``metrics``: rows with ``experiment``, ``trainer``, ``seed``, ``metric``, ``value``,
            ``published`` and ``ceiling``, as mappings or a DataFrame.

    Raises:
        ValueError: If no row has a published value.
    """
    scores, trainers = collect_scores(select(data, "metrics"))
    drawn = sheet(DOUBLE_COLUMN, 24.0 + _ROW * max(len(scores), 1))
    ax = axes_mm(drawn, 62.0, 10.0, 72.0, _ROW * max(len(scores), 1))
    draw_scores(ax, scores, trainers=trainers)
    ax.set_xlabel("value")
    _write_columns(ax, scores, trainers)
    marks = [
        *(_mark(t.replace("_", " "), "o", type_color(k)) for k, t in enumerate(trainers)),
        Line2D([], [], ls="", marker="D", ms=4, mfc="none", mec="0.35", label="published"),
    ]
    # More than three in a row would reach over the columns.
    n_columns = len(marks) if len(marks) <= 3 else 2
    ax.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), ncols=n_columns)
    return drawn


def _write_columns(ax: Axes, scores: Sequence[Score], trainers: Sequence[str]) -> None:
    """Writes the medians over seeds and the published values right of the dots."""
    transform = ax.get_yaxis_transform()
    columns = [*trainers, "published"]
    for place, column in enumerate(columns):
        at = 1.1 + 0.54 * place / max(len(columns), 3)
        head = column.replace("_", " ").replace(" ", "\n")
        size = 6 if len(columns) <= 3 else 5
        ax.text(at, -0.7, head, transform=transform, va="bottom", ha="center", fontsize=size)
        for row, score in enumerate(scores):
            text = _cell(score, column)
            ax.text(at, row, text, transform=transform, va="center", ha="center", fontsize=6)


def _cell(score: Score, column: str) -> str:
    if column == "published":
        return "–" if score.published is None else f"{score.published:g}"
    if column not in score.values:
        return "–"
    median = float(np.median(score.values[column]))
    return f"{median:.3f}" if median > 1 else r2_text(median, most=5)  # a slope may be above 1


def collect_scores(metrics: Any) -> tuple[list[Score], list[str]]:
    """Groups the rows that have a published value; also gives the names of the trainers.

    Counts and seconds have no place on an axis of shares and are left to the table.

    Args:
        metrics: Rows as mappings, or a DataFrame.
    """
    rows = metrics.to_dict("records") if hasattr(metrics, "to_dict") else list(metrics)
    shown = [row for row in rows if _is_shown(row)]
    several = len({row["target"] for row in shown}) > 1
    grouped: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for row in shown:
        series = f"{row['trainer']} ({row['target']})" if several else str(row["trainer"])
        grouped.setdefault((row["experiment"], row["metric"]), []).append((series, row))
    trainers = sorted({series for group in grouped.values() for series, _ in group})
    return [_score(name, group) for name, group in grouped.items()], trainers


def _is_shown(row: Mapping[str, Any]) -> bool:
    a_share = any(word in str(row["metric"]).split("_") for word in _SHARES)
    return (
        a_share and _finite(row.get("published")) is not None and _finite(row["value"]) is not None
    )


def _score(name: tuple[str, str], group: list[tuple[str, Mapping[str, Any]]]) -> Score:
    values: dict[str, tuple[float, ...]] = {}
    for series, row in group:
        values[series] = (*values.get(series, ()), float(row["value"]))
    experiment, metric = (_words(part) for part in name)
    rows = [row for _, row in group]
    return Score(
        label=f"{experiment}: {metric}",
        values=values,
        published=_finite(rows[0]["published"]),
        ceiling=_finite(rows[0].get("ceiling")),
    )


def _words(name: str) -> str:
    """A metric's name as it is read."""
    name = re.sub(r"r2_(\d+)$", r"r2 at frame \1", name)
    return name.replace("_", " ").replace("r2", "$R^2$")


def _finite(value: Any) -> float | None:
    """A number from a table cell; None for an empty or not finite one."""
    if value is None or value == "":
        return None
    return float(value) if np.isfinite(float(value)) else None


def _mark(label: str, marker: str, color: Any) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=3.5, mew=0, color=color, label=label)
