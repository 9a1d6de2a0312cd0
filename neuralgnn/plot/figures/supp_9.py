"""Supplementary figure 9: R² over training by filling factor."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.compare import cases_of, compose_progress
from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.supp_8 import FILLINGS


def figure(data: FigureData) -> Figure:
    """Draws curves and final values; see ``FIGURES["supp_9"]``."""
    return compose_progress(
        cases_of(data, FILLINGS), published=(1.0,) * len(FILLINGS), quantity="connections"
    )
