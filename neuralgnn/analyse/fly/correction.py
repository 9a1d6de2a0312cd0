r"""From a model to weights, time constants and resting potentials. Axes: N neurons, E edges.

Functions and weights of a model share scales that no data fix. The published correction takes
slopes of lines through the functions over each neuron's own range of activity,

.. math:: W^*_{ij} = -\hat W_{ij}\, m_i\, s_g(j) / s_f(i),

with :math:`m_i` the median over eight frames of df/d(message), :math:`s_g(j)` the slope of the
transfer function from max(mean − 2 sd, 0) to mean + 2 sd (1 where mean + sd is not positive) and
:math:`s_f(i)` that of the update function without message and input over mean ± 2 sd. Time
constants are −1/s_f, clipped to 0 .. 1, resting potentials the root of that line.

Where the model itself is affine in what arrives, the same quantities stand in its parameters: W
times gain over leak, 1 / leak, drive / leak.

Source: the companion code of Allier, Lappalainen and Saalfeld, 2026.
"""

__all__ = ["Constants", "own_constants", "published_constants"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from neuralgnn.analyse.fly.evaluate import FastModel, VoltageRange
from neuralgnn.data.recording import Recording
from neuralgnn.models.sparse import AffineGNN, SparseGNN

_POINTS = 1000
_FRAMES = 8
_BLOCK = 1500  # neurons whose curves are held at a time


@dataclass(frozen=True)
class Constants:
    """What the fly's equation calls weights, time constants and resting potentials."""

    weight: Float[np.ndarray, " E"]
    time_constant: Float[np.ndarray, " N"]
    resting_potential: Float[np.ndarray, " N"]


def own_constants(model: SparseGNN, published: Constants) -> Constants:
    """From the parameters where the model is affine, else by the published correction."""
    if not isinstance(model, AffineGNN):
        return published
    drive, leak, gain = model.embedding.detach().cpu().double().numpy().T
    leak = np.where(leak > 0, leak, np.nan)
    weight = model.weight.detach().cpu().double().numpy()
    scaled = weight * np.nan_to_num(gain / leak)[model.post.cpu().numpy()]
    return Constants(scaled, np.nan_to_num(1 / leak), np.nan_to_num(drive / leak))


def published_constants(
    model: SparseGNN, fast: FastModel, recording: Recording, n_train: int, ranges: VoltageRange
) -> Constants:
    """By the published correction.

    Args:
        model: The model.
        fast: The same with its matrix.
        recording: The recording that was fitted.
        n_train: Frames at its beginning that were trained on.
        ranges: Mean and spread of the activity there.
    """
    transfer = _transfer_slopes(model, ranges)
    slope, intercept = _update_lines(model, ranges)
    gain = _message_gain(model, fast, recording, n_train)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_edge = gain[model.post] * transfer[model.pre] / slope[model.post]
        weight = -model.weight.detach().double().numpy() * per_edge
        tau = np.where(slope == 0, 1.0, np.clip(-1 / slope, 0, 1))
        rest = np.where(slope == 0, 1.0, -intercept / slope)
    return Constants(np.nan_to_num(weight, posinf=0, neginf=0), tau, rest)


def _transfer_slopes(model: SparseGNN, ranges: VoltageRange) -> Float[np.ndarray, " N"]:
    x = ranges.points(_POINTS, low=np.maximum(ranges.mean - 2 * ranges.deviation, 0))
    with torch.no_grad():
        values = model.sent(torch.from_numpy(x)).numpy()
    slope, _ = _lines(x, values)
    return np.where(ranges.mean + ranges.deviation > 0, slope, 1.0)


def _update_lines(
    model: SparseGNN, ranges: VoltageRange
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    x = ranges.points(_POINTS)
    nothing = torch.zeros(1, x.shape[1]).expand(len(x), -1)
    with torch.no_grad():
        values = model.update(torch.from_numpy(x), nothing, nothing).numpy()
    return _lines(x, values)


def _message_gain(
    model: SparseGNN, fast: FastModel, recording: Recording, n_train: int
) -> Float[np.ndarray, " N"]:
    """Median over eight training frames of df/d(message) at what the model itself computes."""
    last = max(n_train - 100, n_train // 10 + 1)
    frames = np.linspace(n_train // 10, last, _FRAMES).astype(int).clip(max=n_train - 1)
    x = recording.activity(frames)
    external = recording.external_input(frames)
    inputs = np.zeros_like(x) if external is None else external
    message = torch.from_numpy(fast.message(x)).requires_grad_(True)
    rate = model.update(torch.from_numpy(x), message, torch.from_numpy(inputs))
    (gradient,) = torch.autograd.grad(rate.sum(), message)
    return gradient.median(0).values.double().numpy()


def _lines(
    x: Float[np.ndarray, "G N"], y: Float[np.ndarray, "G N"]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Slope and intercept of the least-squares line of every column; slope 0 without a range."""
    slope, intercept = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for start in range(0, x.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        u, v = x[:, part].astype(np.float64), y[:, part].astype(np.float64)
        du = u - u.mean(0)
        square = (du**2).sum(0)
        rising = (du * v).sum(0)
        slope[part] = np.divide(rising, square, out=np.zeros_like(square), where=square > 0)
        intercept[part] = v.mean(0) - slope[part] * u.mean(0)
    return slope, intercept
