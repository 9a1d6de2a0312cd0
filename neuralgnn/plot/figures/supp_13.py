"""Supplementary figure 13: a transfer function of the sender."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.overview import compose_overview


def figure(data: FigureData) -> Figure:
    """Draws panels b to h; see ``FIGURES["supp_13"]``."""
    return compose_overview(data, with_embedding=True)
