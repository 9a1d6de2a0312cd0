"""Figure 2: connectivity, types and functions of a network from its activity."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.overview import compose_overview


def figure(data: FigureData, *, kinograph: bool = False) -> Figure:
    """Draws panels b to h; see ``FIGURES["fig_2"]``."""
    return compose_overview(data, with_embedding=True, kinograph=kinograph)
