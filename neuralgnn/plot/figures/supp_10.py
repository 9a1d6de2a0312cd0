"""Supplementary figure 10: strong noise, with the drift as target and without."""

__all__ = ["figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.compare import cases_of, compose_cases
from neuralgnn.plot.figures.data import FigureData

_TARGETS = {
    "supp_10__varpro": "target: noise-free drift",
    "supp_10__varpro_recorded": "target: finite difference",
}


def figure(data: FigureData) -> Figure:
    """Draws a column per target; see ``FIGURES["supp_10"]``."""
    return compose_cases(
        cases_of(data, _TARGETS),
        rows=("activity", "comparison", "update", "transfer", "embedding"),
    )
