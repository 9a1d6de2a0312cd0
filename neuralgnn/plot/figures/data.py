"""What figures look up in the stores they are given."""

__all__ = ["FigureData", "evenly", "known_types", "number", "select", "shown_types"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

FigureData = Mapping[str, Any]
"""Stores of the analysis by name, ``activity`` as an array."""


def select(data: FigureData, name: str) -> Any:
    """What a figure needs.

    Raises:
        ValueError: If it was not given.
    """
    if name not in data:
        raise ValueError(
            f"the figure needs {name!r}, found: {', '.join(sorted(data)) or 'nothing'}; was that "
            "part of the analysis run?"
        )
    return data[name]


def known_types(data: FigureData) -> xr.DataArray | None:
    """True types of the neurons, dims ``(neuron,)``, from any store that has them."""
    for store in data.values():
        if isinstance(store, xr.Dataset) and "type" in store.variables:
            types = store["type"]
            if types.dims in (("neuron",), ("post",)):
                return types.reset_coords(drop=True).rename({types.dims[0]: "neuron"})
    return None


def shown_types(data: FigureData) -> tuple[xr.DataArray | None, str]:
    """Numbers that colour the neurons, and what they are: true types, else clusters."""
    types = known_types(data)
    if types is not None:
        return types, "type"
    embedding = data.get("embedding")
    if embedding is not None and "cluster" in embedding:
        return embedding["cluster"].reset_coords(drop=True), "cluster"
    return None, ""


def number(store: xr.Dataset, name: str) -> float | None:
    """Attribute of a store as a number; None if it has none or it is not finite."""
    value = store.attrs.get(name)
    return float(value) if value is not None and np.isfinite(value) else None


def evenly(n: int, most: int) -> np.ndarray:
    """At most so many of ``0 .. n - 1``, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
