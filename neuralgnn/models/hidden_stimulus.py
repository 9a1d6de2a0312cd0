r"""A stimulus that was not given, told by the neurons that share it.

Axes: T frames, N neurons, P inputs, M messages to inputs, C channels, K knots.

Of an input i of channel c the equation of the fly says what it receives,

.. math:: s_c(t) = \tau_i \dot v_i + v_i - V_i - \sum_e w_e\, g(v_{j(e)}),

so the mean over the inputs of a channel of all but V is the stimulus plus their mean V. That
offset is a gauge: with it the mean resting potential of the inputs of every channel is 0.
"""

__all__ = ["HiddenStimulus", "StimulusSiren"]

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from neuralgnn.models.field import Siren
from neuralgnn.models.sparse import piecewise_linear


@dataclass(frozen=True, eq=False, kw_only=True)
class HiddenStimulus:
    """What reads the stimulus off activity and rates of change.

    Attributes:
        n_neurons: Number of neurons ``N``.
        n_channels: Number of channels ``C``.
        neuron: Neurons that receive a channel.
        channel: The channel that each of them receives.
        time_constant: tau of each of them [time unit].
        sender: Sending neuron of each message to an input.
        into: Place of its receiver among the inputs.
        weight: w of each message.
        edge: Its edge in the graph.
        resolution: Share of each weight that the data decide, 0 .. 1, the stimulus being unknown:
            what a sender does to all inputs of a channel alike looks like stimulus.
        knots: Knots of the transfer function g [activity].
        values: g at its knots [activity].
    """

    n_neurons: int
    n_channels: int
    neuron: Int[Tensor, " P"]
    channel: Int[Tensor, " P"]
    time_constant: Float[Tensor, " P"]
    sender: Int[Tensor, " M"]
    into: Int[Tensor, " M"]
    weight: Float[Tensor, " M"]
    edge: Int[Tensor, " M"]
    resolution: Float[Tensor, " M"]
    knots: Float[Tensor, " K"]
    values: Float[Tensor, " K"]

    def at(
        self, x: Float32[np.ndarray, "T N"], y: Float32[np.ndarray, "T N"]
    ) -> Float[np.ndarray, "T C"]:
        """The stimulus of every channel [activity]; 0 for a channel that no neuron receives.

        Args:
            x: Activity.
            y: Rate of change [activity/time unit].
        """
        neuron = self.neuron.numpy()
        own = y[:, neuron].astype(np.float64) * self.time_constant.numpy() + x[:, neuron]
        heard, matrix = self._messages
        sent = piecewise_linear(
            torch.from_numpy(np.ascontiguousarray(x[:, heard], dtype=np.float64)),
            self.knots,
            self.values,
        )
        return (self._mean @ own.T - matrix @ sent.numpy().T).T

    def external_input(
        self, x: Float32[np.ndarray, "T N"], y: Float32[np.ndarray, "T N"]
    ) -> Float32[np.ndarray, "T N"]:
        """The same as what every neuron receives, 0 where it is no input."""
        received = np.zeros_like(x)
        received[:, self.neuron.numpy()] = self.at(x, y)[:, self.channel.numpy()]
        return received

    def plain(self) -> dict[str, Any]:
        """As it is kept in a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """Reads back what :meth:`plain` made."""
        return cls(**plain)

    @cached_property
    def _mean(self) -> scipy.sparse.csr_array:
        """Mean over the inputs of each channel, ``(C, P)``."""
        channel = self.channel.numpy()
        share = 1 / np.bincount(channel, minlength=self.n_channels)[channel]
        shape = (self.n_channels, len(channel))
        return scipy.sparse.csr_array((share, (channel, np.arange(len(channel)))), shape=shape)

    @cached_property
    def _messages(self) -> tuple[Int[np.ndarray, " H"], scipy.sparse.csr_array]:
        """Neurons that inputs hear, and the channels' mean of what these send, ``(C, H)``."""
        heard, place = np.unique(self.sender.numpy(), return_inverse=True)
        shape = (len(self.neuron), len(heard))
        weight = scipy.sparse.csr_array((self.weight.numpy(), (self.into.numpy(), place)), shape)
        return heard, self._mean @ weight


class StimulusSiren(Siren):
    """A network of sines of place and time that has learnt a stimulus.

    Args:
        n_channels: Number of channels ``C``.
        n_frames: Frames that it has learnt, from the recording's first one on.
        frames_per_unit: Frames over which its time rises by one.
        hidden: Width of the network.
        n_layers: Hidden layers after the first one.
        omega_0: Factor in every sine.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.

    Attributes:
        points: Places of the channels.
        shift: Mean of what was learnt, which the network need not learn.
        scale: Its standard deviation.
    """

    points: Float[Tensor, "C 2"]
    shift: Float[Tensor, ""]
    scale: Float[Tensor, ""]

    def __init__(
        self,
        n_channels: int,
        *,
        n_frames: int,
        frames_per_unit: float,
        hidden: int,
        n_layers: int,
        omega_0: float,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(3, hidden=hidden, n_layers=n_layers, omega_0=omega_0, generator=generator)
        self.arguments = {
            "n_channels": n_channels,
            "n_frames": n_frames,
            "frames_per_unit": frames_per_unit,
            "hidden": hidden,
            "n_layers": n_layers,
            "omega_0": omega_0,
        }
        self.n_frames, self.frames_per_unit = n_frames, frames_per_unit
        self.register_buffer("points", torch.zeros(n_channels, 2))
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def inputs(self, frames: Int[Tensor, " P"], channels: Int[Tensor, " P"]) -> Tensor:
        """Points (x, y, t), ``(P, 3)``, of channels at frames of the recording."""
        t = (frames.double() / self.frames_per_unit).to(self.points)
        return torch.cat([self.points[channels], t[:, None]], dim=1)

    @torch.no_grad()
    def at(self, frames: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T C"]:
        """The learnt stimulus at frames of the recording [activity]."""
        channels = torch.arange(len(self.points))
        rows = [
            self(self.inputs(frame.expand(len(channels)), channels))
            for frame in torch.from_numpy(frames)
        ]
        return (self.shift + self.scale * torch.stack(rows)).double().numpy()

    def plain(self) -> dict[str, Any]:
        """As it is kept in a checkpoint."""
        state = {name: tensor.cpu().clone() for name, tensor in self.state_dict().items()}
        return {"arguments": self.arguments, "state": state}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """Reads back what :meth:`plain` made."""
        siren = cls(**plain["arguments"], generator=torch.Generator())
        siren.load_state_dict(plain["state"])
        return siren
