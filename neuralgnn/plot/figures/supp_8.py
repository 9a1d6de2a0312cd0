"""Supplementary figure 8: sparse connectivity."""

__all__ = ["FILLINGS", "figure"]

from matplotlib.figure import Figure

from neuralgnn.plot.figures.compare import cases_of, compose_cases
from neuralgnn.plot.figures.data import FigureData

FILLINGS = {**{f"supp_8_{share}": f"{share} %" for share in (5, 10, 20, 50)}, "fig_2": "100 %"}


def figure(data: FigureData) -> Figure:
    """Draws a column per filling factor; see ``FIGURES["supp_8"]``."""
    return compose_cases(
        cases_of(data, FILLINGS),
        rows=("activity", "true_weights", "comparison", "update", "transfer", "embedding"),
    )
