r"""A movie in the rate equation. Axes: N neurons, T frames, M movie frames, R rows, C columns.

.. math::
    \dot x_i = \phi_i(x_i) + g_i\, \Omega_i(t) \sum_j W_{ij}\, \psi_{ij}(x_j)
    \quad\text{or}\quad
    \dot x_i = \phi_i(x_i) + g_i \sum_j W_{ij}\, \psi_{ij}(x_j) + \Omega_i(t)

The movie is held for many steps, and during one of its frames the equation is the plain one with
other gains (or offsets): driven steps cost what others cost.

Source: Allier et al. 2026 (arXiv:2602.13325), figure 3, code.
"""

__all__ = ["DrivenEquation", "Stimulus"]

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float32, Int
from torch import Tensor

from neuralgnn.config.simulation import MovieInput
from neuralgnn.simulate.rate import RateEquation

Mode = Literal["multiplicative", "additive"]


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """What drives the neurons at every frame of a recording.

    Attributes:
        movie: Values by frame of the movie and pixel.
        neurons: Driven neuron of each pixel.
        n_neurons: Number of neurons N.
        n_frames: Frames of the recording that the movie is stretched over.
        mode: Whether it multiplies the sum over senders, or is added to the rate.
        burn_in: What stands in for it before frame 0.
    """

    movie: Float32[np.ndarray, "M R C"]
    neurons: Int[np.ndarray, "R C"]
    n_neurons: int
    n_frames: int
    mode: Mode
    burn_in: Literal["zero", "first_frame"]

    @classmethod
    def from_config(
        cls,
        config: MovieInput,
        movie: Float32[np.ndarray, "M R C"],
        *,
        n_neurons: int,
        n_frames: int,
    ) -> Self:
        """The stimulus that a configuration describes, with the given movie."""
        neurons = config.first_neuron + np.arange(config.n_driven).reshape(config.shape)
        return cls(
            movie=movie,
            neurons=neurons,
            n_neurons=n_neurons,
            n_frames=n_frames,
            mode=config.mode,
            burn_in=config.burn_in,
        )

    @classmethod
    def from_truth(cls, truth: xr.Dataset) -> Self | None:
        """The stimulus of a recording; None if it had none."""
        if "movie" not in truth:
            return None
        return cls(
            movie=truth["movie"].values,
            neurons=truth["driven"].values,
            n_neurons=truth.sizes["neuron"],
            n_frames=int(truth.attrs["movie_n_frames"]),
            mode=truth.attrs["movie_mode"],
            burn_in=truth.attrs["movie_burn_in"],
        )

    def movie_frame(self, frames: Int[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
        """Frame of the movie that is shown at frames of the recording; -1 in the burn-in."""
        shown = np.asarray(frames) * (len(self.movie) - 1) // self.n_frames
        return np.clip(shown, -1, len(self.movie) - 1)

    def segments(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Stretches ``start, stop`` of frames with one frame of the movie, and which it is."""
        shown = self.movie_frame(np.arange(start, stop))
        first = np.flatnonzero(np.diff(shown, prepend=shown[0] - 1))
        for begin, end in zip(first, [*first[1:], stop - start], strict=True):
            yield start + int(begin), start + int(end), int(shown[begin])

    def values(self, movie_frame: int) -> Float32[np.ndarray, " N"]:
        """Omega of every neuron at a frame of the movie."""
        if movie_frame < 0 and self.burn_in == "zero":
            return np.zeros(self.n_neurons, dtype=np.float32)
        neutral = 1.0 if self.mode == "multiplicative" else 0.0
        values = np.full(self.n_neurons, neutral, dtype=np.float32)
        values[self.neurons] = self.movie[max(movie_frame, 0)]
        return values

    def driven(self, equation: RateEquation, movie_frame: int) -> RateEquation:
        """The rate equation while a frame of the movie is shown."""
        omega = torch.from_numpy(self.values(movie_frame)).to(equation.gain)
        if self.mode == "multiplicative":
            return replace(equation, gain=equation.gain * omega)
        return replace(equation, offset=equation.offset + omega)


@dataclass(frozen=True)
class DrivenEquation:
    """The true rate of change under a stimulus, at given frames of the recording."""

    equation: RateEquation
    stimulus: Stimulus

    def __call__(
        self, x: Float[Tensor, "T N"], frames: Int[np.ndarray, " T"]
    ) -> Float[Tensor, "T N"]:
        """The rate of change of states at their frames [activity/time unit]."""
        shown, row = np.unique(self.stimulus.movie_frame(frames), return_inverse=True)
        values = np.stack([self.stimulus.values(int(frame)) for frame in shown])
        omega = torch.from_numpy(values).to(x)[torch.from_numpy(row)]
        message = self.equation.gain * self.equation.message(x)
        if self.stimulus.mode == "multiplicative":
            return self.equation.update(x) + omega * message
        return self.equation.update(x) + message + omega

    def to(
        self, *, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """The same equation on another device or in another precision."""
        return replace(self, equation=self.equation.to(device=device, dtype=dtype))
