"""Latent vectors of the fits of one experiment, seed by seed."""

__all__ = ["figure"]

import xarray as xr
from matplotlib.figure import Figure

from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.figures.data import FigureData, number, shown_types
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    axes_mm,
    draw_type_legend,
    letter_panel,
    sheet,
    style,
)

_COLUMNS = 4
_PANEL = 34.0  # side of a panel [mm]
_ACROSS, _DOWN = 44.0, 54.0  # from one panel to the next [mm]


@style()
def figure(data: FigureData) -> Figure:
    """Draws one panel of latent vectors per seed.

    Args:
        data: ``embedding_<seed>`` for each seed.

    Raises:
        ValueError: If there is none.
    """
    stores: dict[str, xr.Dataset] = {
        name.removeprefix("embedding_"): store
        for name, store in data.items()
        if name.startswith("embedding_")
    }
    if not stores:
        raise ValueError("the figure needs the embedding of at least one seed, found none")
    n_columns = min(len(stores), _COLUMNS)
    n_rows = -(-len(stores) // _COLUMNS)
    width = DOUBLE_COLUMN if n_columns == _COLUMNS else 8.0 + n_columns * _ACROSS
    drawn = sheet(width, (n_rows - 1) * _DOWN + _PANEL + 20.0)
    for place, (seed, store) in enumerate(stores.items()):
        row, column = divmod(place, _COLUMNS)
        ax = axes_mm(drawn, 13.0 + column * _ACROSS, 11.0 + row * _DOWN, _PANEL, _PANEL)
        types, word = shown_types({"embedding": store})
        draw_embedding(ax, store["embedding"], types=types)
        if column:
            ax.set_ylabel("")
        ax.set_title(_title(seed, store), pad=3)
        letter_panel(ax, "abcdefghijklmnopqrstuvwxyz"[place % 26], left=5.0, up=3.5)
        if not place and types is not None:
            draw_type_legend(ax, types, name=word, loc="best")
    return drawn


def _title(seed: str, store: xr.Dataset) -> str:
    lines = [f"seed {seed}"]
    n_clusters, accuracy = number(store, "n_clusters"), number(store, "accuracy")
    if n_clusters is not None:
        lines.append(f"{n_clusters:.0f} cluster{'s' if n_clusters != 1 else ''}")
    if accuracy is not None:
        lines.append(f"accuracy {accuracy:.3f}")
    return lines[0] + ("\n" + ", ".join(lines[1:]) if lines[1:] else "")
