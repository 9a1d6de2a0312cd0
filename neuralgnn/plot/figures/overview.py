"""Recording, connectivity, neuron types and functions of one fit on one page."""

__all__ = ["compose_overview", "draw_learned"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuralgnn.plot.activity import draw_color_bar, draw_kinograph, draw_traces
from neuralgnn.plot.connectivity import draw_weight_comparison, draw_weights, weight_limit
from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.figures.data import (
    FigureData,
    evenly,
    known_types,
    number,
    select,
    shown_types,
)
from neuralgnn.plot.functions import (
    draw_pair_transfer,
    draw_transfer,
    draw_update,
    draw_visited,
    within_visited,
    zoom,
)
from neuralgnn.plot.style import (
    DOUBLE_COLUMN,
    axes_mm,
    draw_type_legend,
    letter_panel,
    sheet,
    style,
)

_LEFT, _TOP, _PANEL = 12.0, 8.0, 42.0  # first column, first row, side of a square panel [mm]
_COLUMNS = (_LEFT, 69.0, 132.0)
_ROWS = (_TOP, 67.0, 124.0)


@style()
def compose_overview(
    data: FigureData, *, with_embedding: bool, kinograph: bool = False, n_neurons: int = 100
) -> Figure:
    """Composes the page; without types known to the model, f is left out and e shows families.

    Args:
        data: ``activity``, ``weights``, ``functions``, ``embedding``.
        with_embedding: Whether the model has a latent vector for every neuron.
        kinograph: Whether activity is drawn as colour instead of traces.
        n_neurons: Neurons shown as traces.
    """
    figure = sheet(DOUBLE_COLUMN, 176.0)
    letters = iter("bcdefgh")
    ax = axes_mm(figure, _LEFT, _ROWS[0], 158.0, 44.0)
    _activity(ax, data, kinograph=kinograph, n_neurons=n_neurons)
    letter_panel(ax, next(letters))
    middle = [axes_mm(figure, left, _ROWS[1], _PANEL, _PANEL) for left in _COLUMNS]
    _connectivity(middle, data, families=not with_embedding)
    width, columns = (_PANEL, _COLUMNS) if with_embedding else (68.0, (_LEFT, 102.0))
    lower = [axes_mm(figure, left, _ROWS[2], width, _PANEL) for left in columns]
    draw_learned(lower, data, with_embedding=with_embedding)
    for ax in (*middle, *lower):
        letter_panel(ax, next(letters))
    return figure


def _activity(ax: Axes, data: FigureData, *, kinograph: bool, n_neurons: int) -> None:
    activity: xr.DataArray = select(data, "activity")
    types = known_types(data)
    if types is not None:
        xr.align(activity.drop_vars("neuron", errors="ignore"), types, join="exact")
    if kinograph:
        label = "$x$"
        draw_color_bar(ax, draw_kinograph(ax, activity, types=types), label=label)
        return
    some = evenly(activity.sizes["neuron"], n_neurons)
    often = slice(None, None, max(1, activity.sizes["time"] // 3000))  # finer than the print
    shown = activity.isel(neuron=some, time=often)
    draw_traces(ax, shown, types=None if types is None else types.isel(neuron=some))
    if len(some) < activity.sizes["neuron"]:
        ax.set_ylabel(f"{len(some)} of {activity.sizes['neuron']:,} neurons")


def _connectivity(axes: list[Axes], data: FigureData, *, families: bool) -> None:
    weights: xr.Dataset = select(data, "weights")
    learned = weights["learned_weight"]
    true = weights.get("true_weight")
    limit = weight_limit(learned if true is None else true)
    image = draw_weights(axes[1], learned, limit=limit)
    draw_color_bar(axes[1], image, label="$W_{ij}$")
    axes[1].set_title("learned connectivity")
    if true is None:
        _say_unknown(axes[0], "true connectivity\nnot known")
        _say_unknown(axes[2], "nothing to\ncompare with")
        return
    draw_weights(axes[0], true, limit=limit)
    axes[0].set_title("true connectivity")
    types = known_types(data) if families else None
    draw_weight_comparison(
        axes[2],
        true,
        learned,
        r2=number(weights, "r2"),
        slope=number(weights, "slope"),
        types=None if types is None else types.rename(neuron="post"),
    )
    if types is not None:
        draw_type_legend(axes[2], types, name="receiver of type", loc="lower right")


def draw_learned(axes: list[Axes], data: FigureData, *, with_embedding: bool) -> None:
    """Draws latent vectors, update and transfer functions; without latent vectors the last two."""
    functions: xr.Dataset = select(data, "functions")
    types, word = shown_types(data)
    update, true = functions["learned_update"], functions.get("true_update")
    if functions["learned_transfer"].sizes["sender"] > 1:
        low, high = functions["neuron_low"], functions["neuron_high"]
        update = within_visited(update, low, high, dim="neuron")
    if with_embedding:
        draw_embedding(axes[0], select(data, "embedding")["embedding"], types=types)
        if types is not None:
            draw_type_legend(axes[0], types, name=word, loc="best")
    else:
        types = None  # the same function for every neuron, but for its offset
    *_, left, right = axes
    for ax in (left, left.inset_axes((0.63, 0.68, 0.37, 0.32))):
        draw_update(ax, update, true=true, types=types)
    zoom(ax, half_width=_middle(functions), shown=update if true is None else true)
    _transfer(right, functions, types=types)
    for ax in (left, right):
        if "density" in functions and ax.axison:
            low, high = number(functions, "visited_low"), number(functions, "visited_high")
            draw_visited(ax, functions["density"], low=low, high=high)


def _transfer(ax: Axes, functions: xr.Dataset, *, types: xr.DataArray | None) -> None:
    """psi, in squares by type of receiver where it depends on it, each where it was seen."""
    pairs = "learned_pair_transfer" in functions
    learned = functions["learned_pair_transfer" if pairs else "learned_transfer"]
    true = functions.get("true_pair_transfer" if pairs else "true_transfer")
    unit = functions.get("pair_transfer_unit" if pairs else "transfer_unit")
    if unit is not None and learned.sizes["sender"] > 1:
        learned = (learned * unit).transpose(*learned.dims)
    if learned.sizes["sender"] > 1:
        low, high = functions["neuron_low"], functions["neuron_high"]
        learned = within_visited(learned, low, high)
        if true is not None:
            true = within_visited(true, low, high, by=functions["type"])
    draw = draw_pair_transfer if pairs else draw_transfer
    draw(ax, learned, true=true, types=types)


def _middle(functions: xr.Dataset) -> float:
    """A fifth of the visited activity, at most: saturating functions bend in there."""
    end = float(np.abs(functions["activity"]).max())
    ends = [number(functions, "visited_low"), number(functions, "visited_high")]
    return 0.2 * max((abs(each) for each in ends if each is not None), default=end)


def _say_unknown(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.5")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.8")
