"""Random training frames and what is to be predicted there. Axes: T frames, B batch, N neurons."""

__all__ = ["Batches"]

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data import Recording, target

_MEMORY = 8 * 2**30  # bytes that a recording may take up in memory


class Batches:
    """Draws frames of a stretch of a recording, uniformly and with replacement.

    The stretch is held in memory, on the device, unless that needs more than ``memory``; then
    every batch is read from the store. Both give the same numbers.

    Args:
        recording: Where activity comes from.
        frames: Stretch to draw from; a finite difference leaves its last frame out.
        kind: What is to be predicted: stored drift, or finite difference of the activity.
        device: Where batches are wanted.
        memory: Most bytes to hold.

    Raises:
        ValueError: If the stretch is too short, the drift was not stored, or a value that was
            read is not finite.
    """

    def __init__(
        self,
        recording: Recording,
        frames: range,
        *,
        kind: Literal["drift", "finite_difference"],
        device: torch.device | str = "cpu",
        memory: int = _MEMORY,
    ) -> None:
        if kind == "drift" and not recording.has_drift:
            recording.drift(frames[:0])  # raises, and says what a recording without it can do
        self._ahead = int(kind == "finite_difference")
        self.n_frames = len(frames) - self._ahead
        if self.n_frames < 1:
            raise ValueError(
                f"{len(frames)} frames to train on, at least {1 + self._ahead} are needed; is the "
                "recording this short, or validation_fraction too large?"
            )
        self._recording, self._frames = recording, frames
        self._kind: Literal["drift", "finite_difference"] = kind
        self._device = torch.device(device)
        self._x: Tensor | None = None
        self._y: Tensor | None = None
        if (2 - self._ahead) * 4 * len(frames) * recording.n_neurons <= memory:
            self._x = torch.from_numpy(recording.activity(frames)).to(self._device)
            if kind == "drift":
                self._y = torch.from_numpy(recording.drift(frames)).to(self._device)

    def draw(
        self, n_frames: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"], Int[Tensor, " B"]]:
        """Activity [activity], its rate of change [activity/time unit] and their random frames.

        The frames are counted within the recording, on the CPU.
        """
        index = torch.randint(self.n_frames, (n_frames,), generator=generator)
        return *self.at(index), self._frames.start + self._frames.step * index

    def at(self, index: Tensor) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        """Activity and rate of change at given frames, counted within the stretch."""
        if self._x is None:
            return self._read(index)
        index = index.to(self._device)
        x = self._x[index]
        if self._y is not None:
            return x, self._y[index]
        # The difference of neighbours loses digits, so it is taken in float64.
        step = self._x[index + 1].double() - x.double()
        return x, (step / self._recording.dt).float()

    def sample(self, n_frames: int) -> Float[Tensor, "T N"]:
        """Activity at up to ``n_frames`` evenly spread frames."""
        n_frames = min(n_frames, self.n_frames)
        return self.at(torch.linspace(0, self.n_frames - 1, n_frames).long())[0]

    def _read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        frames = np.asarray(self._frames)[index.numpy()]
        x = torch.from_numpy(self._recording.activity(frames))
        y = torch.from_numpy(target(self._recording, frames, kind=self._kind))
        return x.to(self._device), y.to(self._device)
