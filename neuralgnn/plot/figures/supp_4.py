"""Supplementary figure 4: predictions from held-out states by the fit without neuron types."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.rollouts import compose_rollout


def figure(data: FigureData) -> Figure:
    """Draws traces, marked frames and R² over time; see ``FIGURES["supp_4"]``."""
    return compose_rollout(data)
