r"""Loss of a batch. Axes: B frames, N neurons.

.. math:: L = \lVert \hat{\dot x} - \dot x \rVert_2 + \text{penalties}

The fit is the Euclidean norm over all B N residuals, neither squared nor averaged, and the
penalties that depend on frames are added once per frame of the batch. Both are as published
(Allier et al. 2026, arXiv:2602.13325, code), so that published coefficients mean the same here.
"""

__all__ = ["Terms", "phi_zero", "psi_monotonic", "weight_l1"]

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models import AssemblyGNN


@dataclass(frozen=True)
class Terms:
    """Value of each term of the loss, coefficients included."""

    fit: Float[Tensor, ""]
    penalties: dict[str, Float[Tensor, ""]] = field(default_factory=dict)

    @property
    def total(self) -> Float[Tensor, ""]:
        """What is minimised."""
        return torch.stack([self.fit, *self.penalties.values()]).sum()


def phi_zero(model: AssemblyGNN, *, n_frames: int) -> Float[Tensor, ""]:
    r"""Penalty on an update function that does not vanish at rest.

    .. math:: B \, \lVert \phi(a_i, 0) \rVert_2

    It ties down the constant that could move from psi to phi. The norm is over neurons; the
    factor is the batch size, as the published code adds the term once per frame.
    """
    rest = torch.zeros(1, model.n_neurons, device=model.weight.device)
    return n_frames * model.self_update(rest).norm()


def psi_monotonic(
    model: AssemblyGNN, x: Float[Tensor, "B N"], *, step: float
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
