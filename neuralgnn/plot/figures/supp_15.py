"""Supplementary figure 15: types and functions of the network of figure 3."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.overview import draw_learned
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style

_COLUMNS = (12.0, 69.0, 132.0)  # left edges [mm]


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels f, g and h; see ``FIGURES["supp_15"]``."""
    page = sheet(DOUBLE_COLUMN, 62.0)
    axes = [axes_mm(page, left, 8.0, 42.0, 42.0) for left in _COLUMNS]
    draw_learned(axes, data, with_embedding=True)
    for ax, letter in zip(axes, "fgh", strict=True):
        letter_panel(ax, letter)
    return page
