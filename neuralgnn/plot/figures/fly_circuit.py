"""The circuit by cell types: who sends what to whom, and from where on the lattice."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from neuralgnn.plot.edges import draw_against_truth
from neuralgnn.plot.figures.data import FigureData, number, select
from neuralgnn.plot.lattice import draw_lattice
from neuralgnn.plot.style import DIVERGING, DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style

_SHOWN = 6  # pairs whose weights are shown on the lattice
_FEWEST = 4  # offsets that make a field
_SIDE = 15.0  # of one of them [mm]
_LINEAR = 1e-2  # of the largest sum: from there on the colours are logarithmic
_VARIED = 0.2  # of its largest weight that a field's weights differ by


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to c; see ``FIGURES["fly_circuit"]``.

    Args:
        data: ``circuit`` of a fit on a graph. Without true weights there is no panel c, and only
            learned ones in b.
    """
    circuit: xr.Dataset = select(data, "circuit")
    page = sheet(DOUBLE_COLUMN, 150.0)
    matrix = axes_mm(page, 14.0, 8.0, 112.0, 112.0)
    _matrix(page, matrix, circuit)
    letter_panel(matrix, "a", left=12.0)
    first = _fields(page, circuit)
    if first is not None:
        letter_panel(first, "b", left=12.0)
    if "true_total" in circuit:
        pairs = axes_mm(page, 144.0, 112.0, 30.0, 30.0)
        true, learned = circuit["true_total"], circuit["learned_total"]
        kinds = xr.zeros_like(true, dtype=int)  # as points: pairs are few
        draw_against_truth(pairs, true, learned, r2=number(circuit, "total_r2"), types=kinds)
        pairs.set(xlabel="true sum", ylabel="learned sum")
        letter_panel(pairs, "c", left=8.0)
    return page


def _matrix(page: Figure, ax: Axes, circuit: xr.Dataset) -> None:
    """Draws the sums of all pairs of types."""
    names = [str(name) for name in circuit["cell_type"].values]
    sums = np.full((len(names), len(names)), np.nan)
    place = circuit["post_type"].values, circuit["pre_type"].values
    sums[place] = circuit["learned_total"].values
    most = float(np.nanmax(np.abs(sums), initial=1e-12))
    decade = 10.0 ** np.floor(np.log10(most))
    norm = SymLogNorm(decade * _LINEAR, vmin=-most, vmax=most)
    ax.set_facecolor("0.93")  # not connected
    image = ax.imshow(sums, cmap=DIVERGING, norm=norm, interpolation="none", aspect="auto")
    size = min(5.0, 2.6 * 112.0 / len(names))
    ticks = np.arange(len(names))
    ax.set_xticks(ticks, names, rotation=90, fontsize=size)
    ax.set_yticks(ticks, names, fontsize=size)
    ax.tick_params(length=0, pad=1)
    ax.set(xlabel="sending type", ylabel="receiving type")
    bar = page.colorbar(image, cax=axes_mm(page, 14.0, 138.0, 60.0, 2.0), orientation="horizontal")
    ends = [decade, decade * _LINEAR**0.5, decade * _LINEAR]
    bar.set_ticks([*(-end for end in ends), 0, *reversed(ends)])
    bar.ax.minorticks_off()
    words = [f"{tick:.2g}".replace("-", "−") for tick in bar.get_ticks()]
    bar.ax.set_xticklabels(words, fontsize=5.5)
    bar.set_label("summed weight per cell")


def _fields(page: Figure, circuit: xr.Dataset) -> Axes | None:
    """Draws the weights of some pairs on the lattice; gives the first axes."""
    names = circuit["cell_type"].values
    sources = [name for name in ("learned", "true") if f"{name}_mean" in circuit]
    first = None
    for row, pair in enumerate(_strongest(circuit)):
        of_pair = circuit.isel(entry=circuit["entry_pair"].values == pair)
        u, v, values = _filled(of_pair, sources)
        limit = float(np.abs(values).max()) or 1.0
        top = 10.0 + row * (_SIDE + 1.0)
        for column, own in enumerate(values):
            ax = axes_mm(page, 148.0 + column * (_SIDE + 1.0), top, _SIDE, _SIDE)
            first = first or ax
            draw_lattice(ax, u, v, own, limits=(-limit, limit)).set_cmap(DIVERGING)
            if row == 0:
                ax.set_title(sources[column], fontsize=6, pad=2)
            if column == 0:
                sender, receiver = (
                    str(names[int(circuit[f"{side}_type"].values[pair])])
                    for side in ("pre", "post")
                )
                ax.text(-0.08, 0.5, f"{sender}\nto {receiver}", transform=ax.transAxes,
                        ha="right", va="center", fontsize=5.5)  # fmt: skip
    return first


def _strongest(circuit: xr.Dataset) -> list[int]:
    """Pairs of several offsets with the largest sums, one for every receiving type.

    Fields of one weight are left out: there is nothing to be seen on them.
    """
    means, owner = circuit["learned_mean"].values, circuit["entry_pair"].values
    chosen: dict[int, int] = {}
    for pair in np.argsort(-np.abs(circuit["learned_total"].values), kind="stable"):
        own = means[owner == pair]
        varied = len(own) >= _FEWEST and np.std(own) > _VARIED * np.abs(own).max()
        if varied and len(chosen) < _SHOWN:
            chosen.setdefault(int(circuit["post_type"].values[pair]), int(pair))
    return list(chosen.values())


def _filled(
    of_pair: xr.Dataset, sources: list[str]
) -> tuple[Int[np.ndarray, " C"], Int[np.ndarray, " C"], list[Float[np.ndarray, " C"]]]:
    """All columns around the receiver up to the farthest sender, zero where there is no edge."""
    du, dv = of_pair["du"].values, of_pair["dv"].values
    reach = int(np.max([np.abs(du), np.abs(dv), np.abs(du + dv)]))
    u, v = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    u, v = (axial[np.abs(u + v) <= reach] for axial in (u, v))
    values = []
    for source in sources:
        at = dict(zip(zip(du, dv, strict=True), of_pair[f"{source}_mean"].values, strict=True))
        values.append(np.array([at.get(place, 0.0) for place in zip(u, v, strict=True)]))
    return u, v, values
