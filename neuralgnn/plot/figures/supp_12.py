"""Supplementary figure 12: 32 neuron types."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.overview import compose_overview


def figure(data: FigureData, *, kinograph: bool = False) -> Figure:
    """Draws the panels of figure 2; see ``FIGURES["supp_12"]``."""
    return compose_overview(data, with_embedding=True, kinograph=kinograph)
