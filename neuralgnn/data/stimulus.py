"""What drives a network from outside, at its own frame rate, as stored beside a recording.

Axes: T frames of the recording, S frames of the stimulus, C channels, P inputs, N neurons.
"""

__all__ = ["Stimulus"]

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from jaxtyping import Float32, Int


@dataclass(frozen=True, eq=False, kw_only=True)
class Stimulus:
    """Luminance by channel, when each frame of it is shown, and which neurons receive it.

    The external input of neuron ``input_neuron[p]`` at time step t is
    ``values[frame[t], input_channel[p]]``; all other neurons receive nothing.

    Attributes:
        values: Luminance of each stimulus frame and channel.
        frame: Stimulus frame that is shown at each time step.
        input_neuron: Neurons that receive a channel, each at most once.
        input_channel: The channel that each of them receives.

    Raises:
        ValueError: If shapes do not match, or a number is out of range.
    """

    values: Float32[np.ndarray, "S C"]
    frame: Int[np.ndarray, " T"]
    input_neuron: Int[np.ndarray, " P"]
    input_channel: Int[np.ndarray, " P"]

    def __post_init__(self) -> None:
        n_frames, n_channels = self.values.shape
        if self.input_neuron.shape != self.input_channel.shape:
            raise ValueError(
                f"{len(self.input_neuron)} inputs have {len(self.input_channel)} channels; each "
                "needs one"
            )
        if len(np.unique(self.input_neuron)) != len(self.input_neuron):
            raise ValueError("a neuron receives two channels; each may receive one")
        for name, limit in {"frame": n_frames, "input_channel": n_channels}.items():
            found = getattr(self, name)
            if len(found) and not 0 <= found.min() <= found.max() < limit:
                raise ValueError(
                    f"{name} has values {found.min()}..{found.max()}, expected 0..{limit - 1}"
                )

    @property
    def n_channels(self) -> int:
        """Number of channels ``C``."""
        return self.values.shape[1]

    def channels(self, frames: slice | Int[np.ndarray, " T"]) -> Float32[np.ndarray, "T C"]:
        """Luminance at the given time steps."""
        return self.values[self.frame[frames]]

    def external_input(
        self, frames: slice | Int[np.ndarray, " T"], *, n_neurons: int
    ) -> Float32[np.ndarray, "T N"]:
        """What every neuron receives at the given time steps, 0 where it is no input."""
        shown = self.channels(frames)
        received = np.zeros((len(shown), n_neurons), dtype=np.float32)
        received[:, self.input_neuron] = shown[:, self.input_channel]
        return received

    def to_dataset(self) -> xr.Dataset:
        """As it is stored: ``stimulus``, ``frame``, ``input_neuron``, ``input_channel``."""
        return xr.Dataset(
            {
                "stimulus": (("stimulus_frame", "channel"), self.values, _about("luminance")),
                "frame": ("time", self.frame.astype(np.int32), _about("stimulus frame shown")),
                "input_neuron": (
                    "input",
                    self.input_neuron.astype(np.int32),
                    _about("neuron that receives the input"),
                ),
                "input_channel": (
                    "input",
                    self.input_channel.astype(np.int32),
                    _about("channel that the neuron receives"),
                ),
            }
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Reads back what :meth:`to_dataset` made."""
        return cls(
            values=dataset["stimulus"].values.astype(np.float32),
            frame=dataset["frame"].values.astype(np.int64),
            input_neuron=dataset["input_neuron"].values.astype(np.int64),
            input_channel=dataset["input_channel"].values.astype(np.int64),
        )


def _about(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
