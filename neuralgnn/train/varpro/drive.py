r"""What multiplies the messages to some neurons, for a known transfer function.

Axes: T frames, P driven neurons, N senders, K spline coefficients, S stretches of time.

The rate of change of a driven neuron is bilinear in its weights and in what drives it,

.. math:: y_i(t) = B_i(t)\, d_i + \Omega_i(t) \sum_j W_{ij} \psi_j(x_j(t)) .

Omega is taken as constant over short stretches of time. Given Omega, the equation divided by it
has the same columns psi_j(x_j) for all neurons: weights and splines are one linear solve with one
Gram matrix (``rows``). Given those, Omega of a stretch is a ratio, of the summed product of the
rest of the rate and the message to the summed square of the message. The two steps alternate,
with Anderson's extrapolation of each neuron's Omega: the error about halves in each round, where
plain alternation takes off a fifth.

Scale: W_i c and Omega_i / c are the same. Here the mean of each Omega_i over time is 1.

Source: Anderson 1965, J. ACM 12, 547.
"""

__all__ = ["Drive", "estimate_drive"]

import logging
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.rows import GramFactor, RowSystem
from neuralgnn.train.varpro.samples import Samples
from neuralgnn.train.varpro.splines import SplineBasis

logger = logging.getLogger(__name__)

_DEPTH = 4  # of the extrapolation
_LOWEST = 0.05  # of the mean; a smaller drive would weigh its frames by more than 400
_ROW_BLOCK_BYTES = 1 << 28


@dataclass(frozen=True)
class Drive:
    """Omega of driven neurons over equal stretches of time.

    Attributes:
        values: Omega; each row has mean 1.
        first: First frame.
        n_frames: Frames in all.
        strength: Sum of the absolute weights of each neuron.
        change: Relative change of Omega in the last round.
    """

    values: Float[Tensor, "P S"]
    first: int
    n_frames: int
    strength: Float[Tensor, " P"]
    change: float

    @property
    def centres(self) -> Float[Tensor, " S"]:
        """Frame in the middle of each stretch."""
        n = self.values.shape[1]
        middle = torch.arange(n, dtype=torch.float64, device=self.values.device) + 0.5
        return self.first + middle * (self.n_frames / n)

    def stretches(self, frames: Int[Tensor, " T"]) -> Int[Tensor, " T"]:
        """Stretch that each frame is in."""
        n = self.values.shape[1]
        return ((frames - self.first) * n // self.n_frames).clamp(0, n - 1)

    def at(self, frames: Int[Tensor, " T"]) -> Float[Tensor, "T P"]:
        """Omega at frames, linear between the centres of the stretches."""
        n = self.values.shape[1]
        place = (frames.double() - self.first) * (n / self.n_frames) - 0.5
        place = place.clamp(0, n - 1)
        left = place.long().clamp(max=max(n - 2, 0))
        right = (left + 1).clamp(max=n - 1)
        return torch.lerp(self.values[:, left], self.values[:, right], place - left).T


def estimate_drive(
    samples: Samples,
    sent: Float[Tensor, "T N"],
    neurons: Int[Tensor, " P"],
    basis: SplineBasis,
    *,
    n_stretches: int,
    span: range,
    n_rounds: int,
    ridge: float,
    start: Drive | None = None,
) -> Drive:
    """Finds what drives neurons, with their weights and update functions free.

    Args:
        samples: Frames to fit, in order.
        sent: psi of every sender at those frames.
        neurons: Driven neurons.
        basis: Splines of the update functions.
        n_stretches: Stretches of time.
        span: Frames of the recording that the stretches divide.
        n_rounds: Rounds of the alternation.
        ridge: Relative ridge on W.
        start: Where to start; None: no drive.

    Raises:
        ValueError: If a stretch has no samples, or W is not determined by them.
    """
    ones = torch.ones(len(neurons), n_stretches, dtype=torch.float64, device=sent.device)
    drive = start or Drive(ones, span.start, len(span), ones[:, 0], float("inf"))
    stretch = drive.stretches(samples.frames)
    share = torch.bincount(stretch, minlength=n_stretches).double() / len(stretch)
    if not share.all():
        raise ValueError(
            f"{int((share == 0).sum())} of {n_stretches} stretches of the field have none of the "
            f"{len(stretch)} samples: lower trainer.field_stretches or raise trainer.n_samples"
        )
    rows = _Rows(samples, sent, neurons, basis, stretch, GramFactor.of(sent, ridge=ridge))
    mixing = _Anderson(drive.values)
    for number in range(n_rounds):
        values, strength = rows.solve(mixing.now)
        scale = (values @ share)[:, None]
        change = float((values / scale - mixing.now).norm() / mixing.now.norm())
        drive = Drive(values / scale, span.start, len(span), strength * scale[:, 0], change)
        logger.info("drive, round %d: relative change %.1e", number + 1, change)
        mixing.add(drive.values, share)
    return drive


class _Rows:
    """Weights for a given Omega, and Omega for the weights, of all driven neurons in blocks."""

    def __init__(
        self,
        samples: Samples,
        sent: Tensor,
        neurons: Tensor,
        basis: SplineBasis,
        stretch: Tensor,
        factor: GramFactor,
    ) -> None:
        self.samples, self.sent, self.neurons = samples, sent, neurons
        self.basis, self.stretch, self.factor = basis, stretch, factor
        bytes_each = 8 * basis.size * (len(sent) + 2 * sent.shape[1])
        self.block = max(1, _ROW_BLOCK_BYTES // bytes_each)

    def solve(self, omega: Float[Tensor, "P S"]) -> tuple[Float[Tensor, "P S"], Tensor]:
        """The next Omega, and the strength of the weights it belongs to."""
        results = [
            self._solve(receivers, own)
            for receivers, own in zip(
                self.neurons.split(self.block), omega.split(self.block), strict=True
            )
        ]
        values, strength = zip(*results, strict=True)
        return torch.cat(values), torch.cat(strength)

    def _solve(self, receivers: Tensor, omega: Tensor) -> tuple[Tensor, Tensor]:
        drive = omega[:, self.stretch, None]  # (I, T, 1)
        own = self.basis(self.samples.x[:, receivers].T.double()).permute(1, 2, 0)
        target = self.samples.y[:, receivers].T[:, :, None].double()
        system = RowSystem(self.sent, self.factor, own / drive, receivers)
        w, d = system.solve(target / drive)
        message = (self.sent @ w[..., 0].T).T  # (I, T)
        rest = (target - own @ d)[..., 0]
        n_stretches = omega.shape[1]
        products = _by_stretch(rest * message, self.stretch, n_stretches)
        squares = _by_stretch(message.square(), self.stretch, n_stretches)
        floor = 1e-12 * squares.mean(1, keepdim=True)
        return products / (squares + floor), w[..., 0].abs().sum(1)


def _by_stretch(values: Tensor, stretch: Tensor, n_stretches: int) -> Float[Tensor, "I S"]:
    sums = values.new_zeros(len(values), n_stretches)
    return sums.index_add_(1, stretch, values)


class _Anderson:
    """Extrapolates a fixed-point iteration, row by row, from its last steps."""

    def __init__(self, start: Float[Tensor, "P S"]) -> None:
        self.now = start
        self.points: list[Tensor] = []
        self.images: list[Tensor] = []

    def add(self, image: Float[Tensor, "P S"], share: Float[Tensor, " S"]) -> None:
        """Moves on, given what the iteration makes of where it is."""
        self.points = [*self.points[-_DEPTH:], self.now]
        self.images = [*self.images[-_DEPTH:], image]
        moved = image
        if len(self.points) > 1:
            steps = torch.stack(self.images) - torch.stack(self.points)  # (H, P, S)
            turn = steps.diff(dim=0).permute(1, 2, 0)  # (P, S, H - 1)
            normal = turn.mT @ turn
            ridge = 1e-8 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
            normal = normal + (ridge + 1e-300) * torch.eye(normal.shape[1]).to(normal)
            weights = torch.linalg.solve(normal, turn.mT @ steps[-1][:, :, None])
            past = torch.stack(self.images).diff(dim=0).permute(1, 2, 0)
            moved = image - (past @ weights)[..., 0]
        moved = moved.clamp_min(_LOWEST)
        self.now = moved / (moved @ share)[:, None]
