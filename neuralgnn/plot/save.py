"""Figures on disk: the same figure gives the same bytes."""

__all__ = ["save_figure"]

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neuralgnn.data.store import atomic_path
from neuralgnn.plot.style import style

# Without these, PDF stores the time of writing and PNG the version of matplotlib.
_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": "neuralgnn", "Producer": None},
    ".png": {"Software": None},
}


def save_figure(figure: Figure, stem: str | Path) -> tuple[Path, ...]:
    """Writes a figure as PDF and as PNG (300 dpi), each whole or not at all.

    Args:
        figure: What to write.
        stem: Path without suffix.

    Returns:
        The paths written.
    """
    stem = Path(stem)
    paths = tuple(stem.with_name(stem.name + suffix) for suffix in _METADATA)
    with style():
        for path in paths:
            with atomic_path(path) as scratch:
                figure.savefig(scratch, metadata=_METADATA[path.suffix])
    return paths
