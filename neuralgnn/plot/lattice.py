"""The eye's lattice: one hexagon per column, as a panel, and what cells do as a moving picture."""

__all__ = ["draw_lattice", "lattice_pictures"]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from PIL import Image, ImageDraw, ImageFont

from neuralgnn.plot.style import require_dims

_SIDE = 132  # of each hexagonal field [pixel]
_MARGIN, _HEAD, _LEFT = 10, 40, 66  # around them; above and left of them for words [pixel]
_WHITE, _INK = 255, 40


def draw_lattice(
    ax: Axes,
    u: Int[np.ndarray, " C"],
    v: Int[np.ndarray, " C"],
    values: Float[np.ndarray, " C"],
    *,
    limits: tuple[float, float],
) -> PolyCollection:
    """Draws one hexagon per column, black at the lower limit and white at the upper one.

    Args:
        ax: Axes, which get no ticks and no frame.
        u: First axial coordinate of each column.
        v: Second axial coordinate.
        values: What is shown of it.
        limits: Values that are black and white.
    """
    corners = _corners(u, v)
    hexagons = PolyCollection(
        list(corners), array=values, cmap="gray", clim=limits, edgecolors="face", linewidths=0.2
    )
    ax.add_collection(hexagons)
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    middle, half = (low + high) / 2, (high - low).max() / 2
    (left, top), (right, bottom) = middle - half, middle + half
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
    ax.set_axis_off()
    return hexagons


def lattice_pictures(data: xr.Dataset, *, n_most: int = 150) -> list[Image.Image]:
    """Makes one picture per frame: light, then one column per cell type, true above predicted.

    Luminance goes from black (0) to white (1), activity from the smallest to the largest true one
    of the type.

    Args:
        data: ``lattice_light(frame, column)``, ``lattice_true`` and ``lattice_predicted``
            ``(lattice_type, frame, column)``; coordinates ``u``, ``v`` of the columns, ``frame``
            and the names ``lattice_type``.
        n_most: Largest number of pictures; frames in between are left out.

    Raises:
        ValueError: If there is no lattice, or an array has other dims.
    """
    if "lattice_light" not in data:
        raise ValueError(
            "the store 'prediction' has no lattice: only recordings of an eye with named cell "
            "types can be shown in motion"
        )
    light = require_dims(data["lattice_light"], "frame", "column", what="light").values
    dims = ("lattice_type", "frame", "column")
    rows = {
        word: require_dims(data[f"lattice_{name}"], *dims, what=word).values
        for word, name in {"simulated": "true", "predicted": "predicted"}.items()
    }
    low, high = (f(rows["simulated"], axis=(1, 2)) for f in (np.min, np.max))
    hexagons = _hexagons(data["u"].values, data["v"].values)
    names = [str(name) for name in data["lattice_type"].values]
    some = range(0, len(light), -(-len(light) // n_most))
    pictures = []
    for frame in some:
        sheet, pen, font = _sheet(names, 1 + len(names))
        _fill(pen, hexagons, light[frame], column=0, row=0)
        for row, values in enumerate(rows.values()):
            for kind in range(len(names)):
                share = (values[kind, frame] - low[kind]) / max(high[kind] - low[kind], 1e-12)
                _fill(pen, hexagons, np.clip(share, 0, 1), column=1 + kind, row=row)
        time = f"{float(data['lattice_time'].values[frame]):.2f} s"
        pen.text((_LEFT, _HEAD + _SIDE + _MARGIN + 20), time, fill=_INK, font=font)
        pictures.append(sheet)
    return pictures


def _sheet(
    names: list[str], n_columns: int
) -> tuple[Image.Image, ImageDraw.ImageDraw, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    size = _SIDE + _MARGIN
    sheet = Image.new("L", (_LEFT + n_columns * size, _HEAD + 2 * size), _WHITE)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, name in enumerate(["light", *names]):
        pen.text((_LEFT + place * size + _SIDE / 2, 14), name, fill=_INK, font=font, anchor="ma")
    small = ImageFont.load_default(10)
    for row, word in enumerate(("simulated", "predicted")):
        pen.text((4, _HEAD + row * size + _SIDE / 2), word, fill=_INK, font=small, anchor="lm")
    return sheet, pen, font


def _corners(u: np.ndarray, v: np.ndarray) -> Float[np.ndarray, "C 6 2"]:
    """Corners of every column's hexagon, neighbouring columns one apart."""
    places = np.stack([np.sqrt(3) / 2 * v, u + v / 2], axis=-1)  # y downwards
    angles = np.deg2rad(np.arange(0, 360, 60))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=-1) / np.sqrt(3)
    return places[:, None] + corners


def _hexagons(u: np.ndarray, v: np.ndarray) -> Float[np.ndarray, "C 6 2"]:
    """The same in a square of the side of a field [pixel]."""
    every = _corners(u, v)
    low, high = every.min(axis=(0, 1)), every.max(axis=(0, 1))
    unit = (_SIDE - 2) / (high - low).max()
    return (every - (low + high) / 2) * unit + _SIDE / 2


def _fill(
    pen: ImageDraw.ImageDraw,
    hexagons: Float[np.ndarray, "C 6 2"],
    shares: Float[np.ndarray, " C"],
    *,
    column: int,
    row: int,
) -> None:
    size = _SIDE + _MARGIN
    at = np.array([_LEFT + column * size, _HEAD + row * size])
    for corners, share in zip(hexagons + at, shares, strict=True):
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=round(255 * float(share)))
