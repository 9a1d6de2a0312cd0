"""Spectra of true and learned connectivity."""

__all__ = ["figure"]

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar
from neuralgnn.plot.edges import draw_spectrum
from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    INK,
    TRUTH,
    axes_mm,
    letter_panel,
    sheet,
    style,
    type_color,
)

_PANEL = 42.0
_COLUMNS = (14.0, 73.0, 134.0)
_ROWS = (8.0, 68.0)


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to f; see ``FIGURES["fly_spectra"]``."""
    spectra: xr.Dataset = select(data, "spectra")
    page = sheet(DOUBLE_COLUMN, 124.0)
    axes = [axes_mm(page, left, row, _PANEL, _PANEL) for row in _ROWS for left in _COLUMNS]
    for name, color, size in (("true", TRUTH, 14), ("learned", INK, 3)):
        real, imag = (spectra[f"{name}_eigenvalue_{part}"] for part in ("real", "imag"))
        axes[0].scatter(real, imag, s=size, color=color, lw=0, label=name)
    axes[0].set(xlabel="real part", ylabel="imaginary part", title="eigenvalues")
    axes[0].set_aspect("equal", adjustable="datalim")
    axes[0].legend(loc="upper right", fontsize=5)
    singular = {name: spectra[f"{name}_singular_value"] for name in ("true", "learned")}
    axes[1].scatter(singular["true"], singular["learned"], s=4, color=INK, lw=0)
    low = float(singular["true"].min())
    axes[1].axline((low, low), slope=1, color="0.5", lw=0.5, ls=(0, (4, 2)))
    axes[1].set(xlabel="true", ylabel="learned", title="singular values")
    wide = float(singular["true"].max()) > 10 * max(low, 1e-12)
    draw_spectrum(axes[2], singular["true"], singular["learned"], logarithmic=wide)
    axes[2].set_ylabel("singular value")
    for ax, side in zip(axes[3:5], ("right", "left"), strict=True):
        image = ax.imshow(spectra[f"{side}_overlap"].values, cmap="hot", vmin=0, vmax=1)
        ax.set(xlabel="learned", ylabel="true", title=f"{side} singular vectors")
        if side == "left":  # one scale for both
            draw_color_bar(ax, image, label="")
    _alignment(axes[5], spectra)
    for ax, letter in zip(axes, "abcdef", strict=True):
        letter_panel(ax, letter)
    return page


def _alignment(ax: Axes, spectra: xr.Dataset) -> None:
    for place, side in enumerate(("right", "left")):
        best = spectra[f"{side}_alignment"]
        label = f"{side}, mean {float(best.mean()):.3f}"
        ax.plot(best.values, color=type_color(place), lw=0.8, label=label)
    ax.axhline(spectra.attrs["chance_alignment"], color="0.5", lw=0.6, ls=(0, (4, 2)))
    ax.set(xlabel="true singular vector", ylabel="best overlap", ylim=(0, 1.05))
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, fontsize=5, columnspacing=1)
