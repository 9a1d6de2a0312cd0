"""A field over time as an animated picture: true at the left, learned at the right."""

__all__ = ["field_pictures", "save_movie"]

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from neuralgnn.data.store import atomic_path
from neuralgnn.plot.style import require_dims

_SIDE = 256  # of each of the two pictures [pixel]
_MARGIN, _HEAD = 12, 26  # around them, and above for words [pixel]
_WHITE, _INK = 255, 40


def field_pictures(
    field: xr.Dataset, *, limits: tuple[float, float], n_most: int = 150
) -> list[Image.Image]:
    """Makes one picture per frame.

    Args:
        field: ``learned_field`` and, where known, ``true_field``, dims ``(frame, row, column)``.
        limits: Values of black and white.
        n_most: Largest number of pictures; frames in between are left out.

    Raises:
        ValueError: If a field has other dims.
    """
    words = {"true_field": "true", "learned_field": "learned"}
    shown = {
        word: require_dims(field[name], "frame", "row", "column", what=name)
        for name, word in words.items()
        if name in field
    }
    some = slice(None, None, -(-field.sizes["frame"] // n_most))
    frames = field["frame"].values[some]
    return [
        _picture({word: values.values[some][k] for word, values in shown.items()}, frame, limits)
        for k, frame in enumerate(frames)
    ]


def save_movie(
    pictures: Sequence[Image.Image],
    path: str | Path,
    *,
    seconds: float,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Writes pictures as a GIF that repeats; equal pictures of equal origin give equal bytes.

    Args:
        pictures: At least one.
        path: File to write.
        seconds: Length of the whole [s].
        origin: Where its numbers come from, kept as the comment of the file.
    """
    first, *others = pictures
    each = max(20, round(1000 * seconds / len(pictures)))  # faster is not shown everywhere
    about = {} if origin is None else {"comment": json.dumps(origin, sort_keys=True).encode()}
    with atomic_path(path) as scratch, Path(scratch).open("wb") as file:
        first.save(
            file, "GIF", save_all=True, append_images=others, duration=each, loop=0, **about
        )


def _picture(
    fields: dict[str, np.ndarray], frame: int, limits: tuple[float, float]
) -> Image.Image:
    width = _MARGIN + len(fields) * (_SIDE + _MARGIN)
    sheet = Image.new("L", (width, _HEAD + _SIDE + _MARGIN), _WHITE)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for k, (word, values) in enumerate(fields.items()):
        left = _MARGIN + k * (_SIDE + _MARGIN)
        share = np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1)
        grey = Image.fromarray((255 * share).round().astype(np.uint8))
        size = _fitted(values.shape)
        sheet.paste(grey.resize(size, Image.Resampling.NEAREST), (left, _HEAD))
        pen.text((left, _HEAD - 20), word, fill=_INK, font=font)
        if k == 0:
            stamp = f"frame {frame:,}"
            pen.text((left + _SIDE, _HEAD - 20), stamp, fill=_INK, font=font, anchor="ra")
    return sheet


def _fitted(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a grid drawn as large as fits."""
    rows, columns = shape
    unit = max(1, _SIDE // max(rows, columns))
    return columns * unit, rows * unit
