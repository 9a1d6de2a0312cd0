"""Panels of formulas."""

__all__ = ["draw_formulas"]

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.text import Text

from neuralgnn.plot.style import require_dims

_SYMBOLS = {"update": "φ", "transfer": "ψ"}
_COLUMNS = {"learned": (0.17, 50), "true": (0.7, 28)}  # begin [width], room [letters]


def draw_formulas(
    ax: Axes,
    learned: xr.DataArray,
    *,
    true: xr.DataArray | None = None,
    share: xr.DataArray | None = None,
    most: int = 10,
) -> list[Text]:
    """Writes a table of learned formulas beside the true ones, as many rows as there is room.

    Args:
        ax: Axes to write on; its frame is hidden.
        learned: Formulas by ``row``, which is named by what it describes.
        true: True formulas of the same rows.
        share: Share of the neurons that each row stands for.
        most: Largest number of rows; what is left out is counted. Transfer functions stay.

    Raises:
        ValueError: If the formulas have other dims.
        xarray.AlignmentError: If both do not describe the same rows.
    """
    learned = require_dims(learned, "row", what="learned formula")
    if true is not None:
        learned, true = xr.align(learned, true, join="exact")
    ax.set_axis_off()
    names = [str(name) for name in learned["row"].values]
    shown = _chosen(names, most)
    columns = {"learned": learned} if true is None else {"learned": learned, "true": true}
    texts = [
        ax.text(left, 1.0, word, transform=ax.transAxes, va="bottom", color="0.35", fontsize=6)
        for word, (left, _) in _COLUMNS.items()
        if word in columns
    ]
    step = 1.0 / max(len(shown) + (len(shown) < len(names)), 6)
    for line, row in enumerate(shown):
        height = 1.0 - (line + 0.75) * step
        word, _, number = names[row].partition(" ")
        symbol = _SYMBOLS.get(word, word)
        label = f"${symbol}_{{{number}}}$" if number else f"${symbol}$"
        at = {"transform": ax.transAxes, "va": "baseline"}
        texts.append(ax.text(0.0, height, label, **at))
        if share is not None and number:
            percent = f"{100 * float(share[row]):.0f} %"
            texts.append(
                ax.text(0.15, height, percent, color="0.45", fontsize=6, ha="right", **at)
            )
        for word, values in columns.items():
            left, room = _COLUMNS[word]
            formula = str(values.values[row])
            size = 6 * min(1.0, room / max(len(formula), 1))
            texts.append(ax.text(left, height, formula, fontsize=size, **at))
    if len(shown) < len(names):
        rest = f"and {len(names) - len(shown)} more in symbolic.zarr"
        texts.append(
            ax.text(0.17, 0.25 * step, rest, transform=ax.transAxes, color="0.35", fontsize=6)
        )
    return texts


def _chosen(names: list[str], most: int) -> list[int]:
    """The first rows of both kinds, at least a quarter of the room for transfer functions."""
    updates = [row for row, name in enumerate(names) if name.startswith("update")]
    others = [row for row, name in enumerate(names) if not name.startswith("update")]
    n_others = min(len(others), max(most // 4, most - len(updates)))
    return [*updates[: most - n_others], *others[:n_others]]
