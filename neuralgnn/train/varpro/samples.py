"""Frames that a fit is made with. Axes: T frames, N neurons."""

__all__ = ["Samples", "subsample"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Activity and its rate of change at some frames."""

    x: Float[Tensor, "T N"]
    y: Float[Tensor, "T N"]


def subsample(x: Tensor, n_most: int = 400_000) -> NDArray[np.float64]:
    """Some activity values, the extremes among them."""
    flat = x.flatten()
    step = max(1, len(flat) // n_most) | 1  # odd: does not fall in step with the neurons
    values = flat[::step].cpu().numpy().astype(np.float64)
    return np.concatenate([values, [float(flat.min()), float(flat.max())]])
