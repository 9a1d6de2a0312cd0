"""Supplementary figure 7, last panel: R² over training by length of the recording."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.compare import cases_of, compose_progress
from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.supp_7 import LENGTHS

_PUBLISHED = (0.45, 0.936, 0.998, 1.0, 1.0, 1.0)


def figure(data: FigureData) -> Figure:
    """Draws curves and final values; see ``FIGURES["supp_7_progress"]``."""
    short = {name: title.replace(",000 frames", "k") for name, title in LENGTHS.items()}
    return compose_progress(
        cases_of(data, short), published=_PUBLISHED, quantity="recorded frames"
    )
