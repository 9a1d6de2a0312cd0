"""Supplementary figure 2: predictions from held-out states by figure 2's fit."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData
from neuralgnn.plot.figures.rollouts import compose_rollout


def figure(data: FigureData) -> Figure:
    """Draws traces, marked frames and R² over time; see ``FIGURES["supp_2"]``."""
    return compose_rollout(data)
