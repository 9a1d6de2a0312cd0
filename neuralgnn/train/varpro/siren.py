r"""The network of a hidden field, trained together with the weights. Axes as in ``drive``.

1. *Scale*: weights and field of a neuron have one common factor that no data fix. Neighbours on
   the grid are taken to receive equally strong connections on average: the field's mean over time
   is, at every pixel, the sum of the neuron's absolute weights, smoothed over the grid, and 1 on
   average. So a field that is smooth over the grid stays smooth, and keeps what is constant in
   time.
2. *Learn*: the network learns the field over stretches of time.
3. *Together*: in turn, the network is trained on the residual of the rates of change themselves,
   on random frames and pixels, and W is solved for with the network in place.
"""

__all__ = ["Draw", "descend", "fit_field"]

import logging
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.field import Siren, SirenField
from neuralgnn.train.varpro.drive import Drive
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.solve import solve_model_weights

logger = logging.getLogger(__name__)

_SMOOTHING = 1.5  # of the neurons' strengths [pixel]
_LOWEST = 0.02  # of the field, where the equations are divided by it
_FRAME_BLOCK = 64


def fit_field(
    model: AssemblyGNN,
    train: Samples,
    drive: Drive,
    *,
    n_steps: int,
    n_joint_steps: int,
    n_turns: int,
    batch_size: int,
    learning_rate: float,
    ridge: float,
    generator: torch.Generator,
) -> dict[str, float]:
    """Trains a model's field and solves W with it, in place; all else in the model stays.

    Args:
        model: Model with functions and latent vectors in place.
        train: Frames to fit.
        drive: Field over stretches of time.
        n_steps: Adam steps on the field over stretches.
        n_joint_steps: Adam steps on the residual, in each of the turns.
        n_turns: Turns of network and W.
        batch_size: Points (pixel and time) of a step.
        learning_rate: Adam's, at the start of each part; it falls along a cosine.
        ridge: Relative ridge on W.
        generator: Where batches are drawn from, on the CPU.

    Returns:
        Share of the field's variance that the network misses (``field``), and of the driven
        neurons' rates of change that the model misses (``driven_rate``).
    """
    field = model.field
    assert field is not None
    values = _scaled(drive, field.shape)
    centres = drive.centres
    how = {"batch_size": batch_size, "learning_rate": learning_rate}
    learn = _of_stretches(field, values, centres, generator)
    descend(field, learn, n_steps=n_steps, **how)
    with torch.no_grad():
        learned = field.at(centres).T
        misses = {"field": float((learned - values).square().mean() / values.var())}
    for _ in range(n_turns):
        solve_model_weights(model, _driven(train, field), ridge=ridge)
        rest, message = _rest_and_message(model, train)
        learn = _of_samples(field, train, rest, message, generator)
        descend(field, learn, n_steps=n_joint_steps, **how)
    driven = _driven(train, field)
    solve_model_weights(model, driven, ridge=ridge)
    rest, message = _rest_and_message(model, train)
    assert driven.drive is not None
    residual = rest - driven.drive[:, field.neurons] * message
    misses["driven_rate"] = float(residual.square().mean() / train.y[:, field.neurons].var())
    return misses


Draw = Callable[[int], tuple[Tensor, Tensor, Tensor, Tensor]]
"""Draws so many points: inputs of the network, wanted values, factors before it, one scale."""


def _of_stretches(
    field: SirenField, values: Tensor, centres: Tensor, generator: torch.Generator
) -> Draw:
    """Draws points of the field over stretches, with its values there."""
    variance = values.var().float()

    def draw(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pixel, time = _drawn(values.shape, n, generator, device=values.device)
        wanted = values[pixel, time].float()
        return field.inputs(centres[time], pixel), wanted, torch.ones_like(wanted), variance

    return draw


def _of_samples(
    field: SirenField, train: Samples, rest: Tensor, message: Tensor, generator: torch.Generator
) -> Draw:
    """Draws points of the samples, with the rate that the field times the message has to give."""
    scale = message.square().mean()

    def draw(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        time, pixel = _drawn(rest.shape, n, generator, device=rest.device)
        inputs = field.inputs(train.numbers[time], pixel)
        return inputs, rest[time, pixel], message[time, pixel], scale

    return draw


def _drawn(
    shape: torch.Size, n: int, generator: torch.Generator, *, device: torch.device
) -> tuple[Tensor, ...]:
    return tuple(torch.randint(size, (n,), generator=generator).to(device) for size in shape)


def descend(
    field: Siren, draw: Draw, *, n_steps: int, batch_size: int, learning_rate: float
) -> None:
    """Adam, falling along a cosine, on the mean of (wanted - factor field)^2 / scale."""
    adam = torch.optim.Adam(field.parameters(), lr=learning_rate, fused=True)
    for step in range(n_steps):
        for group in adam.param_groups:
            share = 0.5 * (1 + math.cos(math.pi * step / n_steps))
            group["lr"] = learning_rate * share
        inputs, wanted, factor, scale = draw(batch_size)
        loss = (wanted - factor * field(inputs)).square().mean() / scale
        adam.zero_grad()
        loss.backward()
        adam.step()
        if (step + 1) % 100 == 0 or step + 1 == n_steps:
            logger.info("field, step %d of %d: loss %.2e", step + 1, n_steps, float(loss.detach()))


def _scaled(drive: Drive, shape: tuple[int, int]) -> Float[Tensor, "P S"]:
    """Omega with a mean over time that follows the strength of the neurons' weights."""
    strength = drive.strength.log().view(shape).cpu().numpy()
    smooth = gaussian_filter(strength, _SMOOTHING, mode="nearest")
    mean = torch.as_tensor(smooth).to(drive.values).flatten().exp()
    return drive.values * (mean / mean.mean())[:, None]


@torch.no_grad()
def _driven(train: Samples, field: SirenField) -> Samples:
    """The samples with the network's field as their drive."""
    drive = torch.ones_like(train.x)
    parts = [field.at(frames) for frames in train.numbers.split(_FRAME_BLOCK)]
    drive[:, field.neurons] = torch.cat(parts).clamp_min(_LOWEST)
    return replace(train, drive=drive)


@torch.no_grad()
def _rest_and_message(
    model: AssemblyGNN, train: Samples
) -> tuple[Float[Tensor, "T P"], Float[Tensor, "T P"]]:
    """What the update functions leave of the driven rates, and the driven neurons' messages."""
    assert model.field is not None
    own = model.field.neurons
    weight = model.connectivity()[own]
    rest, message = [], []
    for x, y in zip(train.x.split(256), train.y.split(256), strict=True):
        rest.append(y[:, own] - model.self_update(x)[:, own])
        message.append(model.sent(x) @ weight.T)
    return torch.cat(rest), torch.cat(message)
