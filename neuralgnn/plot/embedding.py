"""Panels of the latent vectors that the model gives to neurons."""

__all__ = ["draw_embedding", "draw_projection"]

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from neuralgnn.plot.style import colors_of, require_dims


def draw_embedding(
    ax: Axes, embedding: xr.DataArray, *, types: xr.DataArray | None = None, size: float = 5.0
) -> PathCollection:
    """Draws one point per neuron in the plane of its first two latent components.

    A latent vector of one component is drawn against the neuron's number.

    Args:
        ax: Axes to draw on.
        embedding: Dims ``(neuron, latent)``.
        types: True types, or clusters where those are not known; they give the colours.
        size: Area of a point [pt²].

    Raises:
        ValueError: If the embedding has other dims.
        xarray.AlignmentError: If ``types`` are those of other neurons.
    """
    embedding = require_dims(embedding, "neuron", "latent", what="embedding")
    colors = colors_of(embedding, types)
    if embedding.sizes["latent"] == 1:
        x, y = np.arange(embedding.sizes["neuron"]), embedding.values[:, 0]
        ax.set(xlabel="neuron", ylabel="latent $a_1$")
    else:
        x, y = embedding.values[:, 0], embedding.values[:, 1]
        ax.set(xlabel="latent $a_1$", ylabel="latent $a_2$")
    points = ax.scatter(x, y, s=size, c=colors, alpha=0.6, linewidths=0, rasterized=True)
    ax.margins(0.12)
    return points


def draw_projection(
    ax: Axes, projection: xr.DataArray, *, types: xr.DataArray | None = None, size: float = 5.0
) -> PathCollection:
    """Draws a map of the neurons in the plane, without ticks: its distances have no unit.

    Args:
        ax: Axes to draw on.
        projection: Dims ``(neuron, plane)``; neurons that are NaN are not on the map.
        types: True types, or clusters where those are not known; they give the colours.
        size: Area of a point [pt²].

    Raises:
        ValueError: If the projection has other dims.
        xarray.AlignmentError: If ``types`` are those of other neurons.
    """
    projection = require_dims(projection, "neuron", "plane", what="projection")
    shown = np.isfinite(projection.values).all(axis=1)
    colors = colors_of(projection, types)
    if not isinstance(colors, str):
        colors = colors[shown]
    x, y = projection.values[shown].T
    points = ax.scatter(x, y, s=size, c=colors, alpha=0.6, linewidths=0, rasterized=True)
    ax.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
    ax.margins(0.12)
    return points
