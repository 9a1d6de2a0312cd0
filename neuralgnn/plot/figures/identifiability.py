"""What the recording can tell about the connectivity."""

__all__ = ["figure"]

import xarray as xr
from matplotlib.figure import Figure

from neuralgnn.plot.figures.data import FigureData, number, select
from neuralgnn.plot.identifiability import draw_spectrum, draw_standard_error
from neuralgnn.plot.style import axes_mm, letter_panel, sheet, style


@style()
def figure(data: FigureData) -> Figure:
    """Draws the Gram spectrum, and errors against standard errors where the truth is known.

    Args:
        data: ``identifiability`` and ``weights``.
    """
    identifiability: xr.Dataset = select(data, "identifiability")
    weights: xr.Dataset = select(data, "weights")
    compared = "true_weight" in weights and "standard_error" in weights
    drawn = sheet(124.0 if compared else 62.0, 60.0)
    spectrum = axes_mm(drawn, 14.0, 7.0, 42.0, 42.0)
    rank = number(identifiability, "effective_rank")
    draw_spectrum(spectrum, identifiability["eigenvalue"], effective_rank=rank)
    letter_panel(spectrum, "a", left=12.0)
    if compared:
        errors = axes_mm(drawn, 76.0, 7.0, 42.0, 42.0)
        error = weights["learned_weight"] - weights["true_weight"]
        draw_standard_error(errors, weights["standard_error"], error)
        letter_panel(errors, "b", left=12.0)
    return drawn
