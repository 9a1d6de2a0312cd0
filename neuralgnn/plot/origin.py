"""Where a figure comes from, kept in its file: a text of a PNG, keywords of a PDF, GIF comment."""

__all__ = ["metadata_of", "read_origin"]

import json
import re
import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

_ENTRY = "neuralgnn"

# Without these, PDF stores the time of writing and PNG the version of matplotlib.
_FIXED: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": _ENTRY, "Producer": None},
    ".png": {"Software": None},
}
_PLACES = {".pdf": "Keywords", ".png": _ENTRY}


def metadata_of(suffix: str, origin: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata for matplotlib's ``savefig``: equal figures of equal origin give equal bytes.

    Args:
        suffix: ``.pdf`` or ``.png``.
        origin: Plain values; None: the file says nothing of where it comes from.
    """
    if origin is None:
        return dict(_FIXED[suffix])
    return _FIXED[suffix] | {_PLACES[suffix]: json.dumps(origin, sort_keys=True)}


def read_origin(path: Path) -> dict[str, Any] | None:
    """The origin that a figure carries; None if it carries none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither PNG, PDF nor GIF, or its entry is damaged.
    """
    readers = {".png": _read_png, ".pdf": _read_pdf, ".gif": _read_gif}
    if path.suffix not in readers:
        raise ValueError(f"{path} is no figure; those are .png, .pdf and .gif")
    text = readers[path.suffix](path.read_bytes())
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: where it comes from cannot be read ({error})") from error


def _read_png(data: bytes) -> str | None:
    mark = _ENTRY.encode() + b"\0"
    texts = (body for kind, body in _chunks(data) if kind == b"tEXt" and body.startswith(mark))
    return next((body[len(mark) :].decode("latin-1") for body in texts), None)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of the chunks of a PNG."""
    place = 8  # behind the signature
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += length + 12


def _read_gif(data: bytes) -> str | None:
    try:
        with Image.open(BytesIO(data), formats=["GIF"]) as movie:
            comment = movie.info.get("comment")
    except OSError as error:
        raise ValueError(f"no GIF that can be read ({error})") from error
    return None if comment is None else comment.decode("ascii")


def _read_pdf(data: bytes) -> str | None:
    found = re.search(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", data)
    return re.sub(rb"\\(.)", rb"\1", found[1]).decode("ascii") if found else None
