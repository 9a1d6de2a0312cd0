"""Supplementary figure 7: the same network, recorded for a shorter and shorter time."""

__all__ = ["LENGTHS", "figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.compare import cases_of, compose_cases
from neuralgnn.plot.figures.data import FigureData

LENGTHS = {
    **{f"supp_7_{k}k": f"{k},000 frames" for k in (10, 20, 30, 40, 50)},
    "fig_2": "100,000 frames",
}


def figure(data: FigureData) -> Figure:
    """Draws a column per length; see ``FIGURES["supp_7"]``."""
    return compose_cases(
        cases_of(data, LENGTHS),
        rows=("comparison", "update", "transfer", "embedding", "spectrum"),
    )
