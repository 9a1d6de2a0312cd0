"""A column of the training montage: the same five panels at one checkpoint."""

__all__ = ["draw_checkpoint"]

from collections.abc import Sequence

import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from neuralgnn.plot.connectivity import draw_weight_comparison, draw_weights
from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.functions import draw_transfer, draw_update


def draw_checkpoint(
    axes: Sequence[Axes],
    checkpoint: xr.Dataset,
    *,
    true_update: xr.DataArray | None,
    true_transfer: xr.DataArray | None,
    true_weight: xr.DataArray,
    types: xr.DataArray | None,
    limit: float,
) -> list[Artist]:
    """Draws embedding, update, transfer, weights and their comparison into five axes.

    Args:
        axes: Five axes from top to bottom.
        checkpoint: One checkpoint of the montage store, with ``embedding(neuron, latent)``,
            ``learned_update(neuron, activity)``, ``learned_transfer(activity)`` and
            ``learned_weight(post, pre)``.
        true_update: Dims ``(type, activity)``.
        true_transfer: Dims ``(type, activity)``.
        true_weight: Dims ``(post, pre)``.
        types: Types of the neurons; they give the colours.
        limit: Weight at the ends of the colour scale.

    Raises:
        ValueError: If there are not five axes.
    """
    if len(axes) != 5:
        raise ValueError(f"found {len(axes)} axes for a column of the montage, expected 5")
    transfer = checkpoint["learned_transfer"]
    if "sender" not in transfer.dims:
        transfer = transfer.expand_dims("sender")
    drawn: list[Artist] = [
        draw_embedding(axes[0], checkpoint["embedding"], types=types, size=2.0),
        draw_update(axes[1], checkpoint["learned_update"], true=true_update, types=types),
        draw_transfer(axes[2], transfer, true=true_transfer, types=types),
        draw_weights(axes[3], checkpoint["learned_weight"], limit=limit, n_inset=0),
        draw_weight_comparison(
            axes[4],
            true_weight,
            checkpoint["learned_weight"],
            count_bar=False,
            bins=90,
        ),
    ]
    for ax in (*axes[:3], axes[4]):
        ax.locator_params(nbins=3)
    return drawn
