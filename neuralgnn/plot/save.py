"""Figures on disk: the same figure of the same origin gives the same bytes."""

__all__ = ["save_figure"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neuralgnn.data.store import atomic_path
from neuralgnn.plot.origin import metadata_of
from neuralgnn.plot.style import style

_SUFFIXES = (".pdf", ".png")


def save_figure(
    figure: Figure, stem: str | Path, *, origin: Mapping[str, Any] | None = None
) -> tuple[Path, ...]:
    """Writes a figure as PDF and as PNG, each whole or not at all.

    Args:
        figure: What to write.
        stem: Path without suffix.
        origin: Where its numbers come from, kept in the files.

    Returns:
        The paths written.
    """
    stem = Path(stem)
    paths = tuple(stem.with_name(stem.name + suffix) for suffix in _SUFFIXES)
    with style():
        for path in paths:
            with atomic_path(path) as scratch:
                figure.savefig(scratch, metadata=metadata_of(path.suffix, origin))
    return paths
