r"""A stimulus that is not given, solved for with the constants of the neurons that share it.

Axes: N neurons, T frames. Within a channel: R inputs, F features.

The inputs i of a channel receive the same unknown s(t),

.. math:: r_i(t) = \tau_i \dot v_i + v_i - \sum_e w_e\, g(v_{j(e)}) = V_i + s(t),

so what differs between them holds no stimulus. For a known g, time constants and weights are

.. math:: \arg\min \sum_i \big\langle (r_i - \bar r)^2 \big\rangle, \qquad
          \bar r = \tfrac1R \sum_k r_k,

over time-centred activity, which takes V away: linear least squares with the Gram matrix
:math:`\langle f_p f_q\rangle (\delta_{i(p) i(q)} - 1/R)` of the features
:math:`\dot v_i, -g(v_{j(e)}), v_i`, the last with coefficient one. Then s is :math:`\bar r`, with
the mean of V over the channel's inputs as its offset.

A sender that acts on all inputs of a channel cannot be told from the stimulus: the ridge gives the
mean of its weights to the stimulus, and what is left of their resolution is 1 - 1/R.

Source: variable projection (Golub and Pereyra 1973) with s, linear too, as what is eliminated; the
problem is that of Allier, Lappalainen and Saalfeld, 2026, who train a SIREN with the network.
"""

__all__ = ["find_hidden_stimulus", "fit_stimulus_siren"]

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.models.hidden_stimulus import HiddenStimulus, StimulusSiren
from neuralgnn.models.place import side_by_side
from neuralgnn.train.varpro.hats import Hats
from neuralgnn.train.varpro.siren import descend
from neuralgnn.train.varpro.sparse_rows import message_ridge
from neuralgnn.train.varpro.sparse_sums import Frames

_DEAD = 1e-20  # variance of a message, relative to the activity's, that carries nothing
_ALIKE = 1e-9
"""Share of the rates' variance, along the direction in which the inputs of a channel differ least,
below which rounding of single precision would decide the time constants."""


def find_hidden_stimulus(
    blocks: Iterable[Frames],
    graph: Graph,
    *,
    neurons: Int[np.ndarray, " P"],
    channels: Int[np.ndarray, " P"],
    n_channels: int,
    hats: Hats,
    values: Float[np.ndarray, " K"],
    ridge: float,
) -> HiddenStimulus:
    """Finds time constants and in-weights of all inputs, which tell the stimulus at any frame.

    Args:
        blocks: Activity and rates, in any partition; external input is not read.
        graph: Edges.
        neurons: Neurons that receive a channel.
        channels: The channel that each of them receives.
        n_channels: Number of channels.
        hats: Basis of the transfer function.
        values: Its values at the knots.
        ridge: Ridge on messages, relative to one of unit variance.

    Raises:
        ValueError: If a channel has one input only, or inputs that cannot be told apart, or there
            are no inputs or too few frames.
    """
    groups = _groups(graph, neurons, channels)
    curve = torch.as_tensor(values)

    def transfer(x: Tensor) -> Tensor:
        return hats.curve(curve.to(x.device), x)

    sums: list[_Sums] = []
    n_frames = 0
    for block in blocks:
        sums = sums or [_Sums(group, block.x.device) for group in groups]
        side_by_side(partial(_Sums.add, block=block, transfer=transfer), sums)
        n_frames += block.x.shape[1]
    most = max(2 * len(group.inputs) + len(group.sender) for group in groups)
    if n_frames <= most:
        raise ValueError(
            f"{n_frames} frames do not determine the constants of the inputs of a channel: record "
            f"longer, or raise trainer.n_samples above {most}"
        )
    covariances = [each.covariance() for each in sums]
    typical = _mean_message_variance(groups, covariances)
    found = [
        _solve(group, covariance, ridge=ridge, typical=typical)
        for group, covariance in zip(groups, covariances, strict=True)
    ]
    place = np.empty(graph.n_neurons, dtype=np.int64)
    place[neurons] = np.arange(len(neurons))
    tau = torch.zeros(len(neurons), dtype=torch.float64)
    for group, each in zip(groups, found, strict=True):
        tau[place[group.inputs]] = each[0]
    into = [place[group.inputs][group.owner] for group in groups]
    return HiddenStimulus(
        n_neurons=graph.n_neurons,
        n_channels=n_channels,
        neuron=torch.as_tensor(neurons),
        channel=torch.as_tensor(channels),
        time_constant=tau,
        sender=torch.as_tensor(np.concatenate([group.sender for group in groups])),
        into=torch.as_tensor(np.concatenate(into)),
        weight=torch.cat([each[1] for each in found]),
        edge=torch.as_tensor(np.concatenate([group.edge for group in groups])),
        resolution=torch.cat([each[2] for each in found]),
        knots=torch.as_tensor(hats.knots),
        values=torch.as_tensor(values),
    )


def fit_stimulus_siren(
    movie: Float[np.ndarray, "T C"],
    places: Float[np.ndarray, "C 2"],
    *,
    hidden: int,
    n_layers: int,
    omega_0: float,
    frames_per_unit: float,
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    device: torch.device,
) -> StimulusSiren:
    """Trains a network of sines on the first frames of a stimulus.

    Args:
        movie: The stimulus, from the recording's first frame on.
        places: Where the channels are; their larger extent becomes -1 .. 1.
        hidden: Width of the network.
        n_layers: Hidden layers after the first one.
        omega_0: Factor in every sine.
        frames_per_unit: Frames over which the network's time rises by one.
        n_steps: Adam steps.
        batch_size: Points of place and time per step.
        learning_rate: Adam's, at the start; it falls along a cosine.
        generator: Where initial parameters and batches are drawn from, on the CPU.
        device: Where to compute.
    """
    siren = StimulusSiren(
        movie.shape[1],
        n_frames=len(movie),
        frames_per_unit=frames_per_unit,
        hidden=hidden,
        n_layers=n_layers,
        omega_0=omega_0,
        generator=generator,
    )
    middle = (places.max(0) + places.min(0)) / 2
    half = max(float(np.ptp(places, axis=0).max()) / 2, 1e-12)
    siren.points.copy_(torch.as_tensor((places - middle) / half))
    siren.shift.fill_(float(movie.mean()))
    siren.scale.fill_(max(float(movie.std()), 1e-12))
    siren.to(device)
    wanted = ((torch.as_tensor(movie).to(device) - siren.shift) / siren.scale).float()
    one = torch.ones((), device=device)

    def draw(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        frame, channel = (
            torch.randint(size, (n,), generator=generator).to(device) for size in movie.shape
        )
        return siren.inputs(frame, channel), wanted[frame, channel], one, one

    descend(siren, draw, n_steps=n_steps, batch_size=batch_size, learning_rate=learning_rate)
    return siren.cpu()


@dataclass(frozen=True)
class _Group:
    """The inputs of a channel, and the messages that they receive."""

    channel: int
    inputs: Int[np.ndarray, " R"]
    edge: Int[np.ndarray, " M"]
    sender: Int[np.ndarray, " M"]
    owner: Int[np.ndarray, " M"]  # receiver of each message, by its place among the inputs


def _groups(graph: Graph, neurons: np.ndarray, channels: np.ndarray) -> list[_Group]:
    """The inputs of every channel that has some.

    Raises:
        ValueError: If there is none, or a channel has one input only.
    """
    if not len(neurons):
        raise ValueError("no neuron receives a stimulus: leave trainer.hidden_stimulus out")
    groups = []
    for channel in np.unique(channels):
        inputs = neurons[channels == channel]
        if len(inputs) < 2:
            raise ValueError(
                f"channel {channel} is received by neuron {inputs[0]} alone: what it does cannot "
                "be told from what it receives; trainer.hidden_stimulus needs two inputs at least"
            )
        each = [graph.in_edges(int(neuron)) for neuron in inputs]
        owner = np.repeat(np.arange(len(inputs)), [len(own) for own in each])
        edges = np.concatenate(each)
        groups.append(_Group(int(channel), inputs, edges, graph.pre[edges], owner))
    return groups


class _Sums:
    """Products of a channel's features, summed over frames about their first means."""

    def __init__(self, group: _Group, device: torch.device) -> None:
        n_features = 2 * len(group.inputs) + len(group.sender)
        self.inputs, self.sender = (
            torch.as_tensor(each, device=device) for each in (group.inputs, group.sender)
        )
        zeros = torch.zeros(n_features, n_features, dtype=torch.float64, device=device)
        self.gram, self.total, self.shift, self.n_frames = zeros, zeros[0].clone(), None, 0

    def add(self, block: Frames, transfer: Callable[[Tensor], Tensor]) -> None:
        features = torch.cat(
            [
                block.y[self.inputs].double(),
                -transfer(block.x[self.sender].double()),
                block.x[self.inputs].double(),
            ]
        )  # (F, T)
        if self.shift is None:
            self.shift = features.mean(1, keepdim=True)
        features = features - self.shift
        self.gram += features @ features.T
        self.total += features.sum(1)
        self.n_frames += features.shape[1]

    def covariance(self) -> Float[Tensor, "F F"]:
        mean = self.total / self.n_frames
        return (self.gram / self.n_frames - mean[:, None] * mean).cpu()


def _mean_message_variance(groups: Sequence[_Group], covariances: Sequence[Tensor]) -> float:
    parts = [
        covariance.diagonal()[len(group.inputs) : len(group.inputs) + len(group.sender)]
        for group, covariance in zip(groups, covariances, strict=True)
    ]
    every = torch.cat(parts)
    return float(every.mean()) if len(every) else 0.0


def _solve(
    group: _Group, covariance: Float[Tensor, "F F"], *, ridge: float, typical: float
) -> tuple[Float[Tensor, " R"], Float[Tensor, " M"], Float[Tensor, " M"]]:
    """Time constants, weights and their resolution of a channel's inputs.

    Raises:
        ValueError: If the inputs cannot be told apart.
    """
    n_inputs, n_messages = len(group.inputs), len(group.sender)
    own = torch.arange(n_inputs)
    of = torch.cat([own, torch.as_tensor(group.owner), own])
    between = covariance * ((of[:, None] == of).double() - 1 / n_inputs)
    n_free = n_inputs + n_messages
    gram, moment = between[:n_free, :n_free], -between[:n_free, n_free:].sum(1)
    variance = covariance.diagonal()
    floor = torch.full((n_free,), _DEAD * float(variance[n_free:].mean()))
    alive = variance[:n_free] > floor
    scale = torch.where(alive, variance[:n_free], 1.0).sqrt()
    shape = torch.where(alive[:, None] & alive, gram / (scale[:, None] * scale), 0.0)
    penalty = torch.where(alive, message_ridge(scale, ridge=ridge, typical=typical), 1.0)
    penalty[:n_inputs] = torch.where(alive[:n_inputs], 0.0, 1.0)
    shape = shape + torch.diag(penalty)
    _check_apart(group, shape, alive[:n_inputs])
    inverse = torch.linalg.inv(shape)
    found = inverse @ torch.where(alive, moment / scale, 0.0) / scale
    resolution = torch.where(alive, 1 - penalty * inverse.diagonal(), 0.0).clamp(0, 1)
    return found[:n_inputs], found[n_inputs:], resolution[n_inputs:]


def _check_apart(group: _Group, shape: Float[Tensor, "F F"], alive: Tensor) -> None:
    """Refuses inputs of which some combination of rates says nothing beside the stimulus.

    Raises:
        ValueError: If there are such.
    """
    n_inputs = len(group.inputs)
    rates, both, messages = (
        shape[:n_inputs, :n_inputs], shape[:n_inputs, n_inputs:], shape[n_inputs:, n_inputs:]
    )  # fmt: skip
    # What is left of the rates once messages have explained what they can.
    left = rates - both @ torch.linalg.solve(messages, both.T) if messages.numel() else rates
    least = float(torch.linalg.eigvalsh((left + left.T) / 2)[0]) if alive.all() else 0.0
    if least < _ALIKE:
        raise ValueError(
            f"the inputs of channel {group.channel} (neurons {', '.join(map(str, group.inputs))}) "
            f"cannot be told apart: their rates differ in one direction by {max(least, 0):.1e} of "
            f"their variance, {_ALIKE:.0e} is needed. A stimulus is found by what differs between "
            "neurons that share it: process noise, or time constants that are not alike; else "
            "leave trainer.hidden_stimulus out"
        )
