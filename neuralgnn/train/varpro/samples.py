"""Frames that a fit is made with. Axes: T frames, N neurons."""

__all__ = ["Samples", "subsample"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Activity and its rate of change at some frames.

    Attributes:
        x: Activity.
        y: Rate of change [activity/time unit].
        frames: Number of each frame in the recording.
        drive: What the messages to each neuron are multiplied with; None: 1.
    """

    x: Float[Tensor, "T N"]
    y: Float[Tensor, "T N"]
    frames: Int[Tensor, " T"]
    drive: Float[Tensor, "T N"] | None = None

    def undriven(
        self, columns: Float[Tensor, "I T K"], receivers: Int[Tensor, " I"]
    ) -> Float[Tensor, "I T K"]:
        """Columns of some receivers' equations, divided by what drives them.

        That makes the messages those of neurons which are not driven, and the equations of all
        receivers share their Gram matrix. Frames count by the inverse square of the drive.
        """
        return columns if self.drive is None else columns / self.drive.T[receivers, :, None]


def subsample(x: Tensor, n_most: int = 400_000) -> NDArray[np.float64]:
    """Some activity values, the extremes among them."""
    flat = x.flatten()
    step = max(1, len(flat) // n_most) | 1  # odd: does not fall in step with the neurons
    values = flat[::step].cpu().numpy().astype(np.float64)
    return np.concatenate([values, [float(flat.min()), float(flat.max())]])
