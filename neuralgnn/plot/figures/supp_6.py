"""Supplementary figure 6: predictions for a changed network."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.changed import compose_changed
from neuralgnn.plot.figures.data import FigureData


def figure(data: FigureData) -> Figure:
    """Draws what was changed and how predictions fare; see ``FIGURES["supp_6"]``."""
    return compose_changed(data, "supp_6")
