r"""Loss of a batch. Axes: B frames, N neurons.

.. math:: L = \lVert \hat{\dot x} - \dot x \rVert_2 + \text{penalties}

The fit is the Euclidean norm over all B N residuals, neither squared nor averaged, and the
penalties that depend on frames are added once per frame of the batch. Both are as published
(Allier et al. 2026, arXiv:2602.13325, code), so that published coefficients mean the same here.
"""

__all__ = [
    "PenaltyCoefficients",
    "Terms",
    "loss_terms",
    "phi_zero",
    "psi_monotonic",
    "weight_l1",
]

from dataclasses import dataclass, field
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models import AssemblyGNN

_UPDATE_FRAMES = 8  # frames that phi and a learn from; the published batch size


@dataclass(frozen=True)
class PenaltyCoefficients:
    """Coefficient of each penalty; one that is 0 is left out."""

    phi_zero: float = 0.0
    psi_monotonic: float = 0.0
    weight_l1: float = 0.0


@dataclass(frozen=True)
class Terms:
    """Value of each term of the loss, coefficients included."""

    fit: Float[Tensor, ""]
    penalties: dict[str, Float[Tensor, ""]] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[str, Float[Tensor, ""]]) -> Self:
        """From values by name, that of ``fit`` among them."""
        penalties = {name: value for name, value in values.items() if name != "fit"}
        return cls(values["fit"], penalties)

    @property
    def total(self) -> Float[Tensor, ""]:
        """What is minimised."""
        return torch.stack([self.fit, *self.penalties.values()]).sum()


def loss_terms(
    model: AssemblyGNN,
    x: Float[Tensor, "B N"],
    y: Float[Tensor, "B N"],
    frames: Int[Tensor, " B"],
    table: Float[Tensor, " G"] | None,
    spread: float | Float[Tensor, ""],
    *,
    coefficient: PenaltyCoefficients,
) -> dict[str, Float[Tensor, ""]]:
    """Terms of the loss of a batch, by name; ``fit`` is the first.

    Args:
        model: Model to fit.
        x: Activity.
        y: Its rate of change [activity/time unit].
        frames: Frame of the recording that each row is at.
        table: Activities that psi is evaluated at and interpolated between; None: no table.
        spread: Standard deviation of the activity.
        coefficient: Coefficients of the penalties.
    """
    inflow = model.inflow(x) if table is None else model.message(model.sent_from_table(x, table))
    rate = _partly_learned(model, x) + model.driven(inflow, frames)
    values = {"fit": (rate - y).norm()}
    if coefficient.phi_zero:
        values["phi_zero"] = coefficient.phi_zero * phi_zero(model, n_frames=len(x))
    if coefficient.psi_monotonic:
        fall = psi_monotonic(model, x, step=0.01 * spread)
        values["psi_monotonic"] = coefficient.psi_monotonic * fall
    if coefficient.weight_l1:
        values["weight_l1"] = coefficient.weight_l1 * weight_l1(model)
    return values


def phi_zero(model: AssemblyGNN, *, n_frames: int) -> Float[Tensor, ""]:
    r"""Penalty on an update function that does not vanish at rest.

    .. math:: B \, \lVert \phi(a_i, 0) \rVert_2

    It ties down the constant that could move from psi to phi. The norm is over neurons; the
    factor is the batch size, as the published code adds the term once per frame.
    """
    rest = torch.zeros(1, model.n_neurons, device=model.weight.device)
    return n_frames * model.self_update(rest).norm()


def psi_monotonic(
    model: AssemblyGNN, x: Float[Tensor, "B N"], *, step: float | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""Penalty on a transfer function that falls with activity.

    .. math:: \sum_b \lVert \max(0, \psi(x_{b}) - \psi(x_{b} + \delta)) \rVert_2

    Latent vectors get no gradient from it.

    Args:
        model: Model whose psi is judged.
        x: Activity of a batch.
        step: Delta; a hundredth of the activity's spread as published [activity].
    """
    a = model.embedding.detach()
    fall = model.sent(x, embedding=a) - model.sent(x + step, embedding=a)
    return fall.relu().norm(dim=1).sum()


def weight_l1(model: AssemblyGNN) -> Float[Tensor, ""]:
    """Sum of all |W|, once per batch."""
    return model.connectivity().abs().sum()


def _partly_learned(model: AssemblyGNN, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Phi of every frame, with the gradient of the first few in place of the gradient of all.

    Frames are drawn at random, so the gradient's expectation is the same. W gains from larger
    batches, phi hardly; and its gradient is the largest part of the cost of a step.
    """
    if len(x) <= _UPDATE_FRAMES:
        return model.self_update(x)
    with torch.no_grad():
        rest = model.self_update(x[_UPDATE_FRAMES:])
    own = model.self_update(x[:_UPDATE_FRAMES])
    weight = len(x) / _UPDATE_FRAMES
    return torch.cat([weight * own - (weight - 1) * own.detach(), rest])
