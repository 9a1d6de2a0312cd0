"""A stimulus that was not given: true, found, and learnt by a network of sines."""

__all__ = ["figure"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from neuralgnn.plot.edges import draw_against_truth
from neuralgnn.plot.figures.data import FigureData, evenly, number, select
from neuralgnn.plot.lattice import draw_lattice
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    INK,
    TRUTH,
    axes_mm,
    letter_panel,
    r2_equation,
    sheet,
    style,
    type_color,
)

_ROWS = {"true": "true", "found": "recovered", "siren": "SIREN"}
_SHOWN = 6  # frames on the lattice
_SIDE = 24.0  # of one of them [mm]
_FRAMES = 400  # of the trace


@style()
def figure(data: FigureData) -> Figure:
    """Draws panels a to c; see ``FIGURES["fly_stimulus"]``.

    Args:
        data: ``prediction`` of a fit whose stimulus was not given.

    Raises:
        ValueError: If the stimulus was given, or no places are known.
    """
    prediction: xr.Dataset = select(data, "prediction")
    if "stimulus_true" not in prediction or "stimulus_u" not in prediction:
        raise ValueError(
            "the store 'prediction' has no stimulus that was found on a lattice: the stimulus was "
            "given (trainer.hidden_stimulus is null), or the recording has no places of neurons"
        )
    movies = {
        label: prediction[f"stimulus_{name}"].values
        for name, label in _ROWS.items()
        if f"stimulus_{name}" in prediction
    }
    top = 78.0
    page = sheet(DOUBLE_COLUMN, 142.0)
    first = _lattices(page, prediction, movies)
    trace = axes_mm(page, 16.0, top + 14.0, 100.0, 40.0)
    _trace(trace, prediction, movies)
    pairs = axes_mm(page, 136.0, top + 14.0, 40.0, 40.0)
    r2 = number(prediction, "stimulus_r2")
    true, found = (prediction[f"stimulus_pair_{name}"] for name in ("true", "found"))
    draw_against_truth(pairs, true, found, r2=r2, unit="values")
    for ax, letter, left in zip((first, trace, pairs), "abc", (14.0, 10.0, 10.0), strict=True):
        letter_panel(ax, letter, left=left)
    return page


def _lattices(page: Figure, prediction: xr.Dataset, movies: dict[str, np.ndarray]) -> Axes:
    """Draws some frames of every movie, a row each, on one grey scale; gives the first axes."""
    u, v = (prediction[f"stimulus_{name}"].values for name in "uv")
    time = prediction["stimulus_time"].values
    true = movies["true"]
    limits = (float(true.min()), float(true.max()))
    # Frames that every movie has: the network of sines has learnt the first ones only.
    n_common = min(int(np.isfinite(movie[:, 0]).sum()) for movie in movies.values())
    frames = evenly(n_common, _SHOWN + 2)[1:-1]
    axes = []
    for row, (label, movie) in enumerate(movies.items()):
        for column, frame in enumerate(frames):
            left, upper = 20.0 + column * (_SIDE + 0.6), 8.0 + row * (_SIDE + 0.6)
            ax = axes_mm(page, left, upper, _SIDE, _SIDE)
            draw_lattice(ax, u, v, movie[frame], limits=limits)
            axes.append(ax)
            if row == 0:
                ax.set_title(f"{time[frame]:.2f} s", fontsize=6, pad=2)
            if column == 0:
                ax.text(-0.06, 0.5, label, transform=ax.transAxes, ha="right", va="center")
    bar = axes_mm(page, 20.0 + len(frames) * (_SIDE + 0.6) + 1.0, 8.0, 2.0, _SIDE)
    scale = ScalarMappable(Normalize(*limits), cmap="gray")
    page.colorbar(scale, cax=bar, ticks=[0, 0.5, 1]).set_label("luminance", fontsize=6)
    return axes[0]


def _trace(ax: Axes, prediction: xr.Dataset, movies: dict[str, np.ndarray]) -> None:
    """Draws the middle column over time."""
    u, v = (prediction[f"stimulus_{name}"].values for name in "uv")
    middle = int(np.argmin(u**2 + v**2 + u * v))
    time = prediction["stimulus_time"].values[:_FRAMES]
    looks = {
        "true": {"color": TRUTH, "lw": 2.4},
        "recovered": {"color": INK, "lw": 0.7, "zorder": 4},
        "SIREN": {"color": type_color(1), "lw": 0.8, "zorder": 3},
    }
    for label, movie in movies.items():
        r2 = number(prediction, "stimulus_siren_r2") if label == "SIREN" else None
        name = label if r2 is None else f"{label} ({r2_equation(r2)})"
        ax.plot(time, movie[:_FRAMES, middle], label=name, **looks[label])
    ax.set(xlim=(time[0], time[-1]), xlabel="time [s]", ylabel="luminance")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
