"""The same panels for several experiments side by side, one column each."""

__all__ = ["Case", "cases_of", "compose_cases", "compose_progress"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neuralgnn.plot.activity import draw_traces
from neuralgnn.plot.connectivity import draw_weight_comparison, draw_weights
from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.figures.data import FigureData, evenly, known_types, number, shown_types
from neuralgnn.plot.functions import draw_transfer, draw_update
from neuralgnn.plot.identifiability import draw_spectrum
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    axes_mm,
    letter_panel,
    r2_equation,
    sheet,
    style,
    type_color,
)

_LEFT, _TOP, _RIGHT = 15.0, 17.0, 3.0  # margins [mm]
_BETWEEN, _BELOW = 4.5, 15.5  # columns, rows [mm]
_LARGEST = 42.0  # side of a panel [mm]
_WIDEST = 20.0  # gap between columns [mm]


@dataclass(frozen=True)
class Case:
    """One column.

    Args:
        title: What stands above it.
        data: Its stores by name.
    """

    title: str
    data: FigureData


def cases_of(data: FigureData, titles: Mapping[str, str]) -> list[Case]:
    """Sorts stores named ``owner__store`` into columns.

    Args:
        data: What the figure was given.
        titles: Title of each owner, an experiment or ``experiment__fit``, in order.

    Raises:
        ValueError: If an owner has no store.
    """
    cases = []
    for owner, title in titles.items():
        own = {
            name.removeprefix(f"{owner}__"): value
            for name, value in data.items()
            if name.startswith(f"{owner}__")
        }
        if not own:
            raise ValueError(f"the figure needs stores of {owner!r}, found: {', '.join(data)}")
        cases.append(Case(title, own))
    return cases


@style()
def compose_cases(cases: Sequence[Case], *, rows: Sequence[str]) -> Figure:
    """Draws a grid of panels.

    Args:
        cases: The columns.
        rows: Kinds of panels from top to bottom: ``activity``, ``true_weights``, ``comparison``,
            ``update``, ``transfer``, ``embedding``, ``spectrum``.

    Raises:
        ValueError: If there is no such panel, or a store is missing.
    """
    unknown = [row for row in rows if row not in _PANELS]
    if unknown:
        raise ValueError(f"there is no panel {unknown[0]!r}; there are: {', '.join(_PANELS)}")
    across = (DOUBLE_COLUMN - _LEFT - _RIGHT) / len(cases)
    side = min(across - _BETWEEN, _LARGEST)
    across = min(across, side + _WIDEST)
    width = min(DOUBLE_COLUMN, _LEFT + len(cases) * across)
    drawn = sheet(width, _TOP + len(rows) * (side + _BELOW))
    for place, (row, letter) in enumerate(zip(rows, "abcdefgh", strict=False)):
        top = _TOP + place * (side + _BELOW)
        axes = [axes_mm(drawn, _LEFT + k * across, top, side, side) for k in range(len(cases))]
        for ax, case in zip(axes, cases, strict=True):
            _PANELS[row](ax, case.data)
        _tidy(axes, shared=row in _SHARED, one_scale=row in _SHARED | _ALIKE)
        letter_panel(axes[0], letter, left=13.0, up=1.0)
        if place == 0:
            for ax, case in zip(axes, cases, strict=True):
                ax.annotate(case.title, (0.5, 1), xytext=(0, 28), xycoords="axes fraction",
                            textcoords="offset points", ha="center", fontsize=7)  # fmt: skip
    return drawn


@style()
def compose_progress(
    cases: Sequence[Case],
    *,
    published: Sequence[float | None],
    quantity: str,
) -> Figure:
    """Draws R² of the weights over the steps of ``sgd``, and at the end for both trainers.

    Args:
        cases: Each with ``weights`` (of ``varpro``), ``identifiability`` and ``sgd__montage``.
        published: Published R² of each case.
        quantity: What differs between the cases.
    """
    drawn = sheet(DOUBLE_COLUMN, 62.0)
    left, right = axes_mm(drawn, 14.0, 8.0, 58.0, 42.0), axes_mm(drawn, 112.0, 8.0, 64.0, 42.0)
    for place, case in enumerate(cases):
        montage = case.data["sgd__montage"]
        left.plot(montage["checkpoint"], np.maximum(montage["r2"], -0.05), lw=0.9, marker="o",
                  ms=2, mew=0, color=type_color(place), label=case.title)  # fmt: skip
    left.axhline(1, color="0.7", lw=0.5, zorder=0)
    left.set(xlabel="step of sgd", ylabel="$R^2$ of weights", ylim=(-0.08, 1.05))
    left.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title=quantity, title_fontsize=6)
    places = np.arange(len(cases))
    series = {
        "varpro": [_score(case, "weights") for case in cases],
        "sgd": [float(case.data["sgd__montage"]["r2"][-1]) for case in cases],
        "published": [np.nan if value is None else value for value in published],
    }
    marks = {
        "varpro": ("o", type_color(0)),
        "sgd": ("s", type_color(1)),
        "published": ("D", "0.4"),
    }
    for shift, (name, values) in zip((-0.12, 0.12, 0.0), series.items(), strict=True):
        marker, color = marks[name]
        face = "none" if name == "published" else color
        right.plot(places + shift, np.maximum(values, 0), ls="", marker=marker, ms=4, mfc=face,
                   mec=color, mew=0.8, clip_on=False, label=name, zorder=3)  # fmt: skip
    for place, case in enumerate(cases):
        ceiling = number(case.data["identifiability"], "ceiling_r2")
        if ceiling is not None:
            right.plot([place - 0.3, place + 0.3], [ceiling] * 2, color="k", lw=0.8)
    right.set_xticks(places, [case.title for case in cases])
    right.set(xlabel=quantity, ylabel="$R^2$ of weights", ylim=(-0.05, 1.08))
    handles, _ = right.get_legend_handles_labels()
    handles.append(Line2D([], [], color="k", lw=0.8, label="ceiling"))
    right.legend(handles=handles, loc="lower right")
    letter_panel(left, "a")
    letter_panel(right, "b")
    return drawn


def _score(case: Case, store: str) -> float:
    value = number(case.data[store], "r2")
    return float("nan") if value is None else value


def _activity(ax: Axes, data: FigureData) -> None:
    activity = data["activity"]
    types = known_types(data)
    some = evenly(activity.sizes["neuron"], 25)
    often = slice(None, None, max(1, activity.sizes["time"] // 1500))
    shown = activity.isel(neuron=some, time=often)
    draw_traces(ax, shown, types=None if types is None else types.isel(neuron=some))
    ax.set_ylabel(f"{len(some)} neurons")


def _true_weights(ax: Axes, data: FigureData) -> None:
    draw_weights(ax, data["weights"]["true_weight"])


def _comparison(ax: Axes, data: FigureData) -> None:
    weights: xr.Dataset = data["weights"]
    draw_weight_comparison(
        ax, weights["true_weight"], weights["learned_weight"], count_bar=False, bins=90
    )
    ax.set(xlabel="true weight", ylabel="learned weight")
    r2, slope = number(weights, "r2"), number(weights, "slope")
    lines = [] if r2 is None else [r2_equation(r2, most=5)]
    ceiling = number(data["identifiability"], "ceiling_r2") if "identifiability" in data else None
    if ceiling is not None and ceiling < 0.9999:
        lines.append(f"ceiling {ceiling:.2f}")
    if slope is not None:
        lines.append(f"slope {slope:.3f}".replace("-", "\N{MINUS SIGN}"))
    for text in ax.texts:  # their own place is too small here
        text.set_visible(False)
    ax.set_title("\n".join(lines), fontsize=6, pad=2)


def _update(ax: Axes, data: FigureData) -> None:
    functions, (types, _) = data["functions"], shown_types(data)
    draw_update(ax, functions["learned_update"], true=functions.get("true_update"), types=types)


def _transfer(ax: Axes, data: FigureData) -> None:
    functions, (types, _) = data["functions"], shown_types(data)
    draw_transfer(
        ax, functions["learned_transfer"], true=functions.get("true_transfer"), types=types
    )


def _embedding(ax: Axes, data: FigureData) -> None:
    embedding = data["embedding"]
    draw_embedding(ax, embedding["embedding"], types=shown_types(data)[0], size=3.0)
    for axis in (ax.xaxis, ax.yaxis):  # long numbers would reach into the next panel
        axis.set_major_locator(MaxNLocator(4, integer=True))
    accuracy = number(embedding, "accuracy")
    text = f"{len(np.unique(embedding['cluster']))} clusters"
    ax.set_title(text if accuracy is None else f"{text}\naccuracy {accuracy:.3g}",
                 fontsize=6, pad=2)  # fmt: skip


def _spectrum(ax: Axes, data: FigureData) -> None:
    store = data["identifiability"]
    draw_spectrum(ax, store["eigenvalue"], effective_rank=number(store, "effective_rank"))


_PANELS: dict[str, Callable[[Axes, FigureData], None]] = {
    "activity": _activity,
    "true_weights": _true_weights,
    "comparison": _comparison,
    "update": _update,
    "transfer": _transfer,
    "embedding": _embedding,
    "spectrum": _spectrum,
}
_SHARED = {"comparison", "update", "transfer", "spectrum"}
_ALIKE = {"true_weights"}  # in scale from the start


def _tidy(axes: Sequence[Axes], *, shared: bool, one_scale: bool) -> None:
    """One range for all panels of a row where they can have one; labels at the first alone."""
    if shared:
        for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
            ends = np.array([getattr(ax, get)() for ax in axes])
            for ax in axes:
                getattr(ax, put)(ends[:, 0].min(), ends[:, 1].max())
    for ax in axes:
        ax.xaxis.label.set_fontsize(6)
        ax.yaxis.label.set_fontsize(6)
        if ax is not axes[0]:
            ax.set_ylabel("")
            if one_scale:
                ax.tick_params(labelleft=False)
