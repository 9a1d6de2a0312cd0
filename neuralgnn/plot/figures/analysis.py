"""Spectra, map of the update functions, formulas and found connections of one fit."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.embedding import draw_projection
from neuralgnn.plot.figures.data import FigureData, number, select, shown_types
from neuralgnn.plot.graph import draw_precision_recall
from neuralgnn.plot.spectrum import (
    draw_alignment,
    draw_eigenvalues,
    draw_overlap,
    draw_singular_values,
)
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    axes_mm,
    draw_type_legend,
    letter_panel,
    r2_equation,
    sheet,
    style,
)
from neuralgnn.plot.symbolic import draw_formulas

_PANEL = 42.0  # side of a square panel [mm]
_COLUMNS = (13.0, 72.0, 132.0)
_ROWS = (8.0, 67.0, 126.0)


@style()
def figure(data: FigureData) -> Figure:
    """Composes the page; what needs a truth or a sparse graph says so where there is none.

    Args:
        data: ``spectrum``, ``embedding``, ``symbolic``, ``graph``.
    """
    drawn = sheet(DOUBLE_COLUMN, 178.0)
    axes = [axes_mm(drawn, left, top, _PANEL, _PANEL) for top in _ROWS[:2] for left in _COLUMNS]
    axes.append(axes_mm(drawn, _COLUMNS[0], _ROWS[2], _PANEL, _PANEL))
    _spectrum(axes[:5], select(data, "spectrum"))
    _projection(axes[5], data)
    _graph(axes[6], select(data, "graph"))
    table = axes_mm(drawn, 68.0, _ROWS[2], 108.0, _PANEL)
    symbolic: xr.Dataset = select(data, "symbolic")
    draw_formulas(
        table,
        symbolic["learned_formula"],
        true=symbolic.get("true_formula"),
        share=symbolic.get("share"),
    )
    for ax, letter in zip((*axes, table), "abcdefgh", strict=True):
        letter_panel(ax, letter, left=6.0 if ax is table else 9.0, up=3.5 if ax is table else 2.0)
    return drawn


def _spectrum(axes: list[Axes], spectrum: xr.Dataset) -> None:
    draw_eigenvalues(axes[0], spectrum["learned_eigenvalue"], true=spectrum.get("true_eigenvalue"))
    draw_singular_values(
        axes[1], spectrum["learned_singular_value"], true=spectrum.get("true_singular_value")
    )
    r2 = number(spectrum, "singular_value_r2")
    if r2 is not None:
        axes[1].text(
            0.04, 0.22, r2_equation(r2), transform=axes[1].transAxes, fontsize=6
        )  # fmt: skip
    if "subspace_overlap" not in spectrum:
        for ax in axes[2:]:
            say(ax, "true connectivity\nnot known")
        return
    draw_alignment(
        axes[2],
        spectrum["singular_left_alignment"],
        spectrum["singular_right_alignment"],
        chance=np.array(spectrum.attrs["chance_real"]),
        word="singular vector",
    )
    draw_alignment(
        axes[3],
        spectrum["eigen_left_alignment"],
        spectrum["eigen_right_alignment"],
        chance=spectrum["eigen_chance"].values[: spectrum.sizes["pair"]],
        word="eigenvector",
    )
    draw_overlap(axes[4], spectrum["subspace_overlap"], n_neurons=spectrum.attrs["n_neurons"])


def _projection(ax: Axes, data: FigureData) -> None:
    embedding: xr.Dataset = select(data, "embedding")
    if "projection" not in embedding:
        say(ax, "no UMAP\n(analysis.projection: null)")
        return
    if not np.isfinite(embedding["projection"]).any():
        say(ax, "too few neurons\nfor a UMAP")
        return
    types, word = shown_types(data)
    draw_projection(ax, embedding["projection"], types=types)
    if types is not None:
        draw_type_legend(ax, types, name=word, loc="best")


def _graph(ax: Axes, graph: xr.Dataset) -> None:
    if "precision" not in graph:
        known = "share_present" in graph.attrs
        say(ax, "almost all pairs\nare connected" if known else "true connectivity\nnot known")
        return
    recall, precision = number(graph, "recall"), number(graph, "precision")
    areas = {"weight": number(graph, "auprc"), "z": number(graph, "auprc_z")}
    draw_precision_recall(
        ax,
        graph["precision"],
        graph["recall"],
        share_present=graph.attrs["share_present"],
        found=None if recall is None or precision is None else (recall, precision),
        areas={name: value for name, value in areas.items() if value is not None},
    )


def say(ax: Axes, text: str) -> None:
    """Says in an empty panel why it is empty."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.5")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.8")
