"""Clips and the order they are shown in. Axes: S stimulus frames, T time steps, C columns."""

__all__ = ["Clip", "Show", "one_after_another", "repeated"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

Clip = Float[np.ndarray, "S C"]
"""Luminance of each frame and column, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Show:
    """Everything that is shown, and which frame of it at each time step.

    Attributes:
        values: Luminance of each stimulus frame and column, in [0, 1].
        frame: Stimulus frame that is shown at each time step.

    Raises:
        ValueError: If a luminance is outside [0, 1] or not a number.
    """

    values: Float32[np.ndarray, "S C"]
    frame: Int[np.ndarray, " T"]

    def __post_init__(self) -> None:
        check_luminance(self.values, name="the stimulus")


def check_luminance(values: Float[np.ndarray, "S C"], *, name: str) -> None:
    """Refuses what is no luminance.

    Raises:
        ValueError: If a value is outside [0, 1] or not a number.
    """
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        frame, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} is {values[frame, column]:g} at frame {frame}, column {column}; luminance "
            f"must lie in [0, 1] ({int(bad.sum())} of {bad.size} values do not): rescale it"
        )


def repeated(clips: Sequence[Clip], n_frames: int, *, generator: np.random.Generator) -> Show:
    """Clips in random order, the same again and again until all time steps are filled."""
    order = generator.permutation(len(clips))
    values = np.concatenate([clips[number] for number in order]).astype(np.float32)
    return Show(values, np.arange(n_frames) % len(values))


def one_after_another(values: Float[np.ndarray, "T C"]) -> Show:
    """Every frame shown once, in order."""
    return Show(values.astype(np.float32), np.arange(len(values)))
