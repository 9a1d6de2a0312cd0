r"""What multiplies the messages to some neurons, for a known transfer function.

Axes: T frames, P driven neurons, N senders, K spline coefficients, S stretches of time.

The rate of change of a driven neuron is bilinear in its weights and in what drives it,

.. math:: y_i(t) = B_i(t)\, d_i + \Omega_i(t) \sum_j W_{ij} \psi_j(x_j(t)) .

Omega is taken as constant over short stretches of time. Given Omega and the splines, the rest of
the equation divided by Omega has the same columns psi_j(x_j) for all neurons: their weights are
one linear solve with one Gram matrix (``rows``). Given the weights, hence the messages, Omega and
the splines of a neuron are a small linear problem of their own, whose stretches have nothing in
common but the splines. The two steps alternate, with Anderson's extrapolation of each neuron's
Omega and splines: the error about halves in each round, where plain alternation takes off a fifth.
The first round solves for weights and splines together.

Scale: W_i c and Omega_i / c are the same. Here the mean of each Omega_i over time is 1.

Source: Anderson 1965, J. ACM 12, 547.
"""

__all__ = ["Drive", "estimate_drive"]

import logging
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, solve_rows
from neuralgnn.train.varpro.splines import SplineBasis

logger = logging.getLogger(__name__)

_DEPTH = 4  # of the extrapolation
_SPLINE_WEIGHT = 0.3  # of the splines in it, beside Omega
_LOWEST = 0.05  # of the mean; a smaller drive would weigh its frames by more than 400
_ROW_BLOCK_BYTES = 1 << 28


@dataclass(frozen=True)
class Drive:
    """Omega of driven neurons over equal stretches of time.

    Attributes:
        values: Omega; each row has mean 1.
        update: Coefficients of the neurons' update functions, in ``basis``.
        basis: Splines of the update functions.
        strength: Sum of the absolute weights of each neuron.
        span: Frames of the recording that the stretches divide.
        change: Relative change of Omega in the last round.
    """

    values: Float[Tensor, "P S"]
    update: Float[Tensor, "P K"]
    basis: SplineBasis
    strength: Float[Tensor, " P"]
    span: range
    change: float

    @property
    def centres(self) -> Float[Tensor, " S"]:
        """Frame in the middle of each stretch."""
        n = self.values.shape[1]
        middle = torch.arange(n, dtype=torch.float64, device=self.values.device) + 0.5
        return self.span.start + middle * (len(self.span) / n)

    def at(self, frames: Int[Tensor, " T"]) -> Float[Tensor, "T P"]:
        """Omega at frames, linear between the centres of the stretches."""
        n = self.values.shape[1]
        place = (frames.double() - self.span.start) * (n / len(self.span)) - 0.5
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
        samples: Frames to fit.
        sent: psi of every sender at those frames.
        neurons: Driven neurons.
        basis: Splines of the update functions.
        n_stretches: Stretches of time.
        span: Frames of the recording that the stretches divide.
        n_rounds: Rounds of the alternation.
        ridge: Relative ridge on W.
        start: Where to start, with the same splines; None: no drive.

    Raises:
        ValueError: If a stretch has no samples, or W is not determined by them.
    """
    stretch = ((samples.numbers - span.start) * n_stretches // len(span)).clamp(0, n_stretches - 1)
    share = torch.bincount(stretch, minlength=n_stretches).double() / len(stretch)
    if not share.all():
        raise ValueError(
            f"{int((share == 0).sum())} of {n_stretches} stretches of the field have none of the "
            f"{len(stretch)} samples: lower trainer.field.n_stretches or raise trainer.n_samples"
        )
    factor = GramFactor.of(sent, ridge=ridge)
    rows = _Rows(samples, sent, neurons, basis, stretch, factor)
    if start is None:
        omega = torch.ones(len(neurons), n_stretches, dtype=torch.float64, device=sent.device)
        weight, update = rows.weights_and_updates()
    else:
        omega, update = start.values, start.update
        weight = rows.weights(omega, update)
    mixing = _Anderson(omega, update)
    for number in range(n_rounds):
        values, update, unit = rows.drives_and_updates(weight)
        scale = (values @ share)[:, None]
        values = values / scale
        change = float((values - mixing.omega).norm() / values.norm())
        logger.info("drive, round %d: relative change %.1e", number + 1, change)
        strength = weight.abs().sum(1) * scale[:, 0]
        found = Drive(values, update, basis, strength, span, change)
        if number + 1 == n_rounds:
            return found
        mixing.add(values, update, unit=unit * scale, share=share)
        weight = rows.weights(mixing.omega, mixing.update)
    raise ValueError(f"n_rounds is {n_rounds}; at least one is needed")


class _Rows:
    """The two steps of the alternation for all driven neurons, in blocks."""

    def __init__(
        self,
        samples: Samples,
        sent: Float[Tensor, "T N"],
        neurons: Int[Tensor, " P"],
        basis: SplineBasis,
        stretch: Int[Tensor, " T"],
        factor: GramFactor,
    ) -> None:
        self.samples, self.sent, self.neurons = samples, sent, neurons
        self.basis, self.stretch, self.factor = basis, stretch, factor
        bytes_each = 8 * basis.size * (2 * len(sent) + 2 * sent.shape[1])
        self.blocks = torch.arange(len(neurons), device=sent.device).split(
            max(1, _ROW_BLOCK_BYTES // bytes_each)
        )

    def weights_and_updates(self) -> tuple[Float[Tensor, "P N"], Float[Tensor, "P K"]]:
        """Both together, without a drive."""
        weights, updates = [], []
        for block in self.blocks:
            own, target = self._equations(block)
            system = RowSystem(self.sent, self.factor, own, self.neurons[block])
            w, d = system.solve(target[:, :, None])
            weights.append(w[..., 0])
            updates.append(d[..., 0])
        return torch.cat(weights), torch.cat(updates)

    def weights(
        self, omega: Float[Tensor, "P S"], update: Float[Tensor, "P K"]
    ) -> Float[Tensor, "P N"]:
        """Weights for a given drive and given update functions."""
        weights = []
        for block in self.blocks:
            own, target = self._equations(block)
            rest = target - (own @ update[block, :, None])[..., 0]
            rest /= omega[block][:, self.stretch]
            moments = self.sent.T @ rest.T
            weights.append(solve_rows(self.factor, moments, self.neurons[block]))
        return torch.cat(weights)

    def drives_and_updates(
        self, weight: Float[Tensor, "P N"]
    ) -> tuple[Float[Tensor, "P S"], Float[Tensor, "P K"], Float[Tensor, "P 1"]]:
        """Omega and update functions for given weights, and the messages' root mean square."""
        parts = [self._drive_and_update(block, weight[block]) for block in self.blocks]
        omega, update, size = zip(*parts, strict=True)
        return torch.cat(omega), torch.cat(update), torch.cat(size)

    def _drive_and_update(self, block: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own, target = self._equations(block)
        message = (self.sent @ weight.T).T  # (I, T)
        squares = self._by_stretch(message.square())
        squares += 1e-12 * squares.mean(1, keepdim=True)
        cross = self._by_stretch(own * message[:, :, None])  # (I, S, K)
        products = self._by_stretch(target * message)
        eliminated = cross / squares[:, :, None]
        normal = own.mT @ own - cross.mT @ eliminated
        rhs = (own.mT @ target[:, :, None])[..., 0]
        rhs -= (eliminated.mT @ products[:, :, None])[..., 0]
        ridge = 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        eye = torch.eye(normal.shape[1], dtype=normal.dtype, device=normal.device)
        update = torch.linalg.solve(normal + ridge * eye, rhs[:, :, None])
        omega = products / squares - (eliminated @ update)[..., 0]
        return omega, update[..., 0], message.square().mean(1, keepdim=True).sqrt()

    def _equations(self, block: Tensor) -> tuple[Float[Tensor, "I T K"], Float[Tensor, "I T"]]:
        """Splines of the neurons' own activity, and their rates of change."""
        receivers = self.neurons[block]
        own = self.basis(self.samples.x[:, receivers].T.double()).permute(1, 2, 0)
        return own, self.samples.y[:, receivers].T.double()

    def _by_stretch(self, values: Float[Tensor, "I T ..."]) -> Float[Tensor, "I S ..."]:
        n_stretches = int(self.stretch.max()) + 1
        sums = values.new_zeros(len(values), n_stretches, *values.shape[2:])
        return sums.index_add_(1, self.stretch, values)


class _Anderson:
    """Extrapolates a fixed-point iteration of Omega and splines, neuron by neuron.

    Splines count in units of the messages' size, so that both are about one.
    """

    def __init__(self, omega: Float[Tensor, "P S"], update: Float[Tensor, "P K"]) -> None:
        self.omega, self.update = omega, update
        self.balance = _SPLINE_WEIGHT * (omega.shape[1] / update.shape[1]) ** 0.5
        self.unit: Tensor | None = None
        self.points: list[Tensor] = []
        self.images: list[Tensor] = []

    def add(
        self, omega: Tensor, update: Tensor, *, unit: Float[Tensor, "P 1"], share: Tensor
    ) -> None:
        """Moves on, given what the iteration makes of where it is."""
        spline_unit = unit / self.balance if self.unit is None else self.unit
        self.unit = spline_unit
        point = torch.cat([self.omega, self.update / spline_unit], dim=1)
        image = torch.cat([omega, update / spline_unit], dim=1)
        self.points = [*self.points[-_DEPTH:], point]
        self.images = [*self.images[-_DEPTH:], image]
        moved = image
        if len(self.points) > 1:
            steps = torch.stack(self.images) - torch.stack(self.points)  # (H, P, S + K)
            turn = steps.diff(dim=0).permute(1, 2, 0)  # (P, S + K, H - 1)
            normal = turn.mT @ turn
            ridge = 1e-8 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-300
            normal = normal + ridge * torch.eye(normal.shape[1]).to(normal)
            weights = torch.linalg.solve(normal, turn.mT @ steps[-1][:, :, None])
            past = torch.stack(self.images).diff(dim=0).permute(1, 2, 0)
            moved = image - (past @ weights)[..., 0]
        n_stretches = omega.shape[1]
        values = moved[:, :n_stretches].clamp_min(_LOWEST)
        self.omega = values / (values @ share)[:, None]
        self.update = moved[:, n_stretches:] * spline_unit
