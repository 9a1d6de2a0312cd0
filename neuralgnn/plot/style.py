"""Sizes, colours and words that all figures share.

Lengths are in mm: a figure is a sheet of paper on which every axes has its place, so that panels
of different figures line up and nothing depends on a layout solver. Colours: type ``k`` has the
same colour in every figure; truth is grey; zero is white in every diverging map.
"""

__all__ = [
    "DENSITY",
    "DIVERGING",
    "DOUBLE_COLUMN",
    "INK",
    "TRUTH",
    "axes_mm",
    "axis_label",
    "colors_of",
    "draw_type_legend",
    "letter_panel",
    "look",
    "mm",
    "r2_equation",
    "r2_text",
    "require_dims",
    "sheet",
    "style",
    "type_color",
    "type_colors",
]

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, get_named_colors_mapping, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from neuralgnn.config.plot import PlotConfig

DOUBLE_COLUMN = 180.0
"""Width of a double-column figure [mm]."""
TRUTH = "neuralgnn:truth"
"""Colour of everything that is known to be true, by a name that matplotlib knows; see `look`."""
INK = "neuralgnn:ink"
"""Colour of learned things that belong to no type."""
DIVERGING = "RdBu_r"
"""Map for signed values; its ends stay apart for every kind of colour vision."""
DENSITY = LinearSegmentedColormap.from_list(
    "density", ["#a9c6e0", "#5b93c4", "#2a5f9e", "#1c2f63", "#0b0b26"]
)
"""Map for counts: one point is already visible on white, many are almost black."""

# Okabe and Ito's colours (told apart with every kind of colour vision) without black and yellow,
# then Tol's olive; greys of truth and ink.
_DEFAULT = PlotConfig()
_hues: ContextVar[tuple[str, ...]] = ContextVar("hues", default=_DEFAULT.type_colors)
_dpi: ContextVar[int] = ContextVar("dpi", default=_DEFAULT.dpi)
_STYLE = Path(__file__).with_name("neuralgnn.mplstyle")
_named = get_named_colors_mapping()
_named[TRUTH], _named[INK] = _DEFAULT.truth_color, _DEFAULT.learned_color
# Further types repeat the hues mixed with white (> 0) or black (< 0).
_TINTS = (0.0, 0.5, -0.45, 0.28, -0.25, 0.68, -0.65, 0.38, -0.35, 0.6)


@contextmanager
def style() -> Iterator[None]:
    """Context, or decorator, in which figures have the package's style."""
    with mpl.rc_context({"savefig.dpi": _dpi.get()}, _STYLE):
        yield


@contextmanager
def look(plot: PlotConfig) -> Iterator[None]:
    """Context in which figures have other colours; they are drawn and saved within it.

    Args:
        plot: Colours and resolution.
    """
    before = _named[TRUTH], _named[INK]
    hues, dpi = _hues.set(plot.type_colors), _dpi.set(plot.dpi)
    _named[TRUTH], _named[INK] = plot.truth_color, plot.learned_color
    try:
        yield
    finally:
        _hues.reset(hues)
        _dpi.reset(dpi)
        _named[TRUTH], _named[INK] = before


def mm(length: float) -> float:
    """Inches of a length in mm."""
    return length / 25.4


def sheet(width: float, height: float) -> Figure:
    """Makes an empty figure of this size [mm]."""
    return Figure(figsize=(mm(width), mm(height)))


def axes_mm(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Adds axes at a place on the sheet.

    Args:
        figure: Figure made by :func:`sheet`.
        left: From the left edge of the sheet to that of the axes [mm].
        top: From the top edge of the sheet down to that of the axes [mm].
        width: Of the axes without its labels [mm].
        height: Of the axes without its labels [mm].
    """
    full_width, full_height = figure.get_size_inches() * 25.4
    bottom = full_height - top - height
    return figure.add_axes(
        (left / full_width, bottom / full_height, width / full_width, height / full_height)
    )


def letter_panel(ax: Axes, letter: str, *, left: float = 8.0, up: float = 2.0) -> None:
    """Writes a panel's letter outside its upper left corner.

    Args:
        ax: Axes of the panel.
        letter: What to write.
        left: Distance of the letter from the axes' left edge [mm].
        up: Distance of its foot from the axes' upper edge [mm].
    """
    ax.annotate(
        letter,
        (0, 1),
        xytext=(-72 * mm(left), 72 * mm(up)),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        fontweight="bold",
        va="baseline",
        ha="left",
        annotation_clip=False,
    )


def type_color(kind: int) -> tuple[float, float, float]:
    """Colour of a neuron type, the same everywhere; ten tints of each, negative (unknown) grey."""
    if kind < 0:
        return to_rgb("0.5")
    hues = _hues.get()
    tint = _TINTS[kind // len(hues) % len(_TINTS)]
    rgb = np.array(to_rgb(hues[kind % len(hues)]))
    mixed = rgb + tint * (1 - rgb) if tint >= 0 else rgb * (1 + tint)
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))


def type_colors(types: xr.DataArray | np.ndarray) -> np.ndarray:
    """Colours of many neurons by their types, shape ``(N, 3)``."""
    values = np.asarray(types).astype(int)
    kinds, place = np.unique(values, return_inverse=True)
    palette = np.array([type_color(int(kind)) for kind in kinds]).reshape(-1, 3)
    return palette[place]


def colors_of(array: xr.DataArray, types: xr.DataArray | None) -> np.ndarray | str:
    """Colours of the neurons of an array: those of their types, or ink where none are known.

    Raises:
        xarray.AlignmentError: If ``types`` are those of other neurons.
    """
    if types is None:
        return INK
    xr.align(array, types, join="exact")
    return type_colors(types)


def axis_label(array: xr.DataArray, fallback: str) -> str:
    """Label ``long_name [units]`` of an array, or the fallback where it has no name.

    Placeholders, made of "activity" and "time unit", say nothing and are left out.
    """
    name = str(array.attrs.get("long_name", fallback))
    units = str(array.attrs.get("units", ""))
    empty = units in ("", "1") or "activity" in units or "time unit" in units
    return name if empty else f"{name} [{units}]"


def r2_text(r2: float, *, most: int = 6) -> str:
    """Digits of a coefficient of determination: enough to tell it from 1, never rounded to 1.

    Args:
        r2: The value.
        most: Largest number of decimals.
    """
    if np.isnan(r2):
        return "–"
    if r2 < -10:
        return "< \N{MINUS SIGN}10"
    if r2 >= 1:
        return "1"
    decimals = int(np.clip(np.ceil(-np.log10(1 - r2)) + 1, 3, most))
    if 1 - r2 < 10**-decimals:
        return f"> {1 - 10**-decimals:.{decimals}f}"
    return f"{r2:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def r2_equation(r2: float, *, most: int = 6) -> str:
    """The same as an equation, or as an inequality where the digits do not suffice."""
    text = r2_text(r2, most=most)
    return f"$R^2$ {text}" if text[0] in "<>" else f"$R^2$ = {text}"


def require_dims(array: xr.DataArray, *dims: str, what: str) -> xr.DataArray:
    """Returns the array with its dims in this order.

    Raises:
        ValueError: If it has other dims.
    """
    if set(array.dims) != set(dims):
        raise ValueError(
            f"{what} has dims {tuple(array.dims)}, expected {dims}; is it another variable, or "
            "was a dim not selected?"
        )
    return array.transpose(*dims)


def draw_type_legend(
    ax: Axes, types: xr.DataArray, *, name: str = "type", most: int = 8, **legend
) -> Legend | None:
    """Draws a legend of neuron types; none where they are too many to read.

    Args:
        ax: Axes that gets the legend.
        types: Types of the neurons that are drawn.
        name: Word before the number; types count from 1 in print.
        most: Largest number of types worth a legend.
        **legend: Passed to :meth:`matplotlib.axes.Axes.legend`.
    """
    kinds = np.unique(np.asarray(types).astype(int))
    if len(kinds) > most:
        return None
    marks = [
        Line2D([], [], ls="", marker="o", ms=3, mew=0, color=type_color(int(kind)))
        for kind in kinds
    ]
    return ax.legend(marks, [f"{name} {kind + 1}" for kind in kinds], **legend)
