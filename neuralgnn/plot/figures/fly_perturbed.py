"""The fly on graphs that are wrong, and under measurement noise: scores against how wrong."""

__all__ = ["figure"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style, type_color

_NULL = {0: "fly_005", **{share: f"fly_005_null_{share}" for share in (100, 200, 400)}}
_SHARES = (2, 5, 10, 20)
_REMOVED = {0: "fly_005", **{share: f"fly_005_removed_{share:02d}" for share in _SHARES}}
_ALIKE = {place: name for place, name in _REMOVED.items() if place}
_REMOVED_TOO = {share: f"fly_005_removed_{share:02d}_published" for share in _SHARES}
_MEASURED = {0: "fly_005", **{k / 100: f"fly_005_measured_{k:03d}" for k in (2, 5, 10)}}
_KNOWN_NOISE = {place: name for place, name in _MEASURED.items() if place}
_PUBLISHED = "weights_r2_published_correction"
_WEIGHTS = "1 − $R^2$ of the weights"
_WORST = 2.0  # share left unexplained: how bad a useless model is does not matter
_SMALLEST = 1e-5  # as much is drawn as little as less


@dataclass(frozen=True)
class _Curve:
    """One metric of several experiments.

    Args:
        label: What it is.
        experiments: Experiments by their place on the horizontal axis.
        metric: Name of the metric.
        fit: Name of the fit.
        limited: Whether its standard errors say what the data permit: not those of a model that
            lacks edges, or of regressors with noise.
    """

    label: str
    experiments: dict[Any, str]
    metric: str = "weights_r2"
    fit: str = "varpro"
    limited: bool = True


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to d; see ``FIGURES["fly_perturbed"]``.

    Args:
        data: ``metrics``: rows with ``experiment``, ``fit``, ``metric``, ``value``,
            ``published`` and ``ceiling``.

    Raises:
        ValueError: If no experiment of the figure is in the table.
    """
    rows = list(select(data, "metrics"))
    known = {str(row["experiment"]) for row in rows}
    wanted = {*_NULL.values(), *_REMOVED.values(), *_REMOVED_TOO.values(), *_MEASURED.values()}
    if not known & wanted:
        raise ValueError(
            f"figure fly_perturbed shows {', '.join(sorted(wanted))}; the table has "
            f"{', '.join(sorted(known)) or 'nothing'}"
        )
    page = sheet(DOUBLE_COLUMN, 128.0)
    axes = [axes_mm(page, left, top, 66.0, 42.0) for top in (8.0, 72.0) for left in (18.0, 108.0)]
    panels = [
        ("null edges added [%]", _WEIGHTS, [
            _Curve("all edges", _NULL),
            _Curve("edges that are determined", _NULL, "weights_r2_identifiable"),
        ]),
        ("null edges added [%]", "1 − AUROC", [
            _Curve("size of the weight", _NULL, "weights_auroc_null"),
            _Curve("the same, determined edges", _NULL, "weights_auroc_null_identifiable"),
            _Curve("activity and wiring", _NULL, "edges_auroc", limited=False),
        ]),
        ("edges removed [%]", _WEIGHTS, [
            _Curve("from the model", _REMOVED, limited=False),
            _Curve("the same, cells of a type alike", _ALIKE, fit="varpro_alike", limited=False),
            _Curve("from model and simulation", _REMOVED_TOO),
        ]),
        ("measurement noise", _WEIGHTS, [
            _Curve("drift, as published", _MEASURED, limited=False),
            _Curve("finite difference", _MEASURED, fit="varpro_recorded", limited=False),
            _Curve("the same, level known, types alike", _KNOWN_NOISE, fit="varpro_known_noise",
                   limited=False),
        ]),
    ]  # fmt: skip
    for ax, (name, missing, curves) in zip(axes, panels, strict=True):
        ax.set(xlabel=name, ylabel=missing)
        _draw(ax, rows, curves, compared=missing == _WEIGHTS)
    for ax, letter in zip(axes, "abcd", strict=True):
        letter_panel(ax, letter, left=12.0)
    return page


def _draw(ax: Axes, rows: Sequence[Any], curves: Sequence[_Curve], *, compared: bool) -> None:
    """Draws one minus curves, and their ceilings; compared: the published values too."""
    published: dict[Any, float] = {}
    for number, curve in enumerate(curves):
        found = {
            place: _values(rows, experiment, curve)
            for place, experiment in curve.experiments.items()
        }
        found = {place: values for place, values in found.items() if values["value"]}
        for place, experiment in curve.experiments.items():
            plain = _Curve(curve.label, curve.experiments, _PUBLISHED, curve.fit)
            if known := _values(rows, experiment, plain)["published"]:
                published[place] = known[0]
        color, places = type_color(number), list(found)
        left = _left([float(np.mean(found[place]["value"])) for place in places])
        beyond = left >= _WORST
        ax.plot(places, left, color=color, lw=0.9, label=curve.label,
                marker="o", ms=3, markevery=(~beyond).tolist())  # fmt: skip
        ax.plot(places, np.where(beyond, _WORST, np.nan), ls="", marker="^", ms=4, color=color,
                clip_on=False)  # fmt: skip
        limits = {p: found[p]["ceiling"][0] for p in places if found[p]["ceiling"]}
        if curve.limited and max(limits.values(), default=1.0) < 1 - _SMALLEST:
            ax.plot(list(limits), _left(list(limits.values())), color=color, lw=0.6,
                    ls=(0, (4, 2)), zorder=1)  # fmt: skip
    if compared:
        ax.plot(list(published), _left(list(published.values())), ls="", marker="D", ms=4,
                mfc="none", mec="0.35", label="published", clip_on=False)  # fmt: skip
    ax.set_yscale("log")
    if ax.get_ylim()[1] > 1:
        ax.set_ylim(top=_WORST)
    places = {place for curve in curves for place in curve.experiments}
    ax.set_xticks(sorted(places))
    if any(curve.limited for curve in curves):
        ax.plot([], [], color="0.5", lw=0.6, ls=(0, (4, 2)), label="expected of the data")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=5.5)


def _left(values: Sequence[float]) -> Float[np.ndarray, " P"]:
    """What is missing to one, as far as it is drawn."""
    return np.clip(1 - np.asarray(values), _SMALLEST, _WORST)


def _values(rows: Sequence[Any], experiment: str, curve: _Curve) -> dict[str, list[float]]:
    """Value, ceiling and published value of every seed that has them."""
    chosen = [
        row
        for row in rows
        if (row["experiment"], row["fit"], row["metric"]) == (experiment, curve.fit, curve.metric)
    ]
    return {
        key: [float(row[key]) for row in chosen if row[key] not in (None, "")]
        for key in ("value", "ceiling", "published")
    }
