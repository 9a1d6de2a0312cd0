"""Errors of weights, constants and predictions by cell type."""

__all__ = ["figure"]

import xarray as xr
from matplotlib.figure import Figure

from neuralgnn.plot.edges import draw_type_errors
from neuralgnn.plot.figures.data import FigureData, select
from neuralgnn.plot.style import DOUBLE_COLUMN, axes_mm, letter_panel, sheet, style


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to d; see ``FIGURES["fly_types"]``.

    Raises:
        ValueError: If the true types are not known.
    """
    neurons: xr.Dataset = select(data, "neurons")
    prediction: xr.Dataset = select(data, "prediction")
    if "type" not in neurons:
        raise ValueError("figure fly_types needs true types, which the store neurons lacks")
    errors = [
        ("in-weights", neurons["in_weight_rmse"]),
        ("time constant [s]", _absolute(neurons, "time_constant")),
        ("resting potential", _absolute(neurons, "resting_potential")),
        ("rollout", prediction["rollout_rmse"]),
    ]
    page = sheet(DOUBLE_COLUMN, 160.0)
    for row, (name, values) in enumerate(errors):
        ax = axes_mm(page, 16.0, 6.0 + 39.0 * row, 160.0, 25.0)
        draw_type_errors(ax, values, neurons["type"], neurons.get("cell_type"))
        ax.set_ylabel(f"RMS error,\n{name}")
        letter_panel(ax, "abcd"[row])
    return page


def _absolute(neurons: xr.Dataset, name: str) -> xr.DataArray:
    return abs(neurons[name] - neurons[f"true_{name}"])
