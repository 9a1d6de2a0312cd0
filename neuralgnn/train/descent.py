"""One gradient step after another. Axes: B frames, N neurons, G grid points."""

__all__ = ["Descent", "PenaltyCoefficients"]

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.batches import Batches
from neuralgnn.train.clusters import join_alike
from neuralgnn.train.resumable import ResumableDescent
from neuralgnn.train.schedule import event_steps, is_resting
from neuralgnn.train.terms import Terms, phi_zero, psi_monotonic, weight_l1

logger = logging.getLogger(__name__)

_TABLE = 1024  # points that psi is evaluated at, in place of every activity of a batch
_CURVE = 200  # points at which update functions are compared
_VISITED = torch.tensor([0.001, 0.999])
_UPDATE_FRAMES = 8  # frames that phi and a learn from; the published batch size


@dataclass(frozen=True)
class PenaltyCoefficients:
    """Coefficient of each penalty of :mod:`neuralgnn.train.terms`; one that is 0 is left out."""

    phi_zero: float = 0.0
    psi_monotonic: float = 0.0
    weight_l1: float = 0.0


class Descent(ResumableDescent[AssemblyGNN]):
    """Adam on W, phi, psi, a and a hidden field, each with its own learning rate.

    Source: Allier et al. 2026 (arXiv:2602.13325), code. Differences: Adam's moments are kept
    throughout (published: dropped after each epoch), learning rates may decay, clustering uses no
    labels. Two short cuts change the cost of a step and not what it estimates: psi of the
    activity alone is interpolated between the points of a fine grid, and in batches of more than
    eight frames, all of which teach W and psi, phi and a learn from the first eight.

    Args:
        model: Model to fit, changed in place.
        batches: Where frames are drawn from.
        n_steps: Steps that the schedule is laid out for.
        batch_size: Frames per step.
        lr_weight: Learning rate of W.
        lr_functions: Learning rate of phi and psi.
        lr_embedding: Learning rate of the latent vectors a.
        lr_field: Learning rate of the hidden field, where the model has one.
        decay_from: Share of the steps after which learning rates fall to zero; 1 for never.
        penalties: Coefficients of the penalties.
        cluster_at: Shares of the steps at which neurons that act alike are joined.
        cluster_steps: Steps of the refit of phi there.
        generator: Where frames are drawn from, on the CPU.
        seed: Seed of the clustering.

    Attributes:
        step: Steps done.
    """

    def __init__(
        self,
        model: AssemblyGNN,
        batches: Batches,
        *,
        n_steps: int,
        batch_size: int,
        lr_weight: float,
        lr_functions: float,
        lr_embedding: float,
        lr_field: float,
        decay_from: float,
        penalties: PenaltyCoefficients,
        cluster_at: Collection[float],
        cluster_steps: int,
        generator: torch.Generator,
        seed: int,
    ) -> None:
        self.model, self.batches, self.generator = model, batches, generator
        self.n_steps, self.batch_size, self.decay_from = n_steps, batch_size, decay_from
        self.penalties, self.cluster_steps, self.seed = penalties, cluster_steps, seed
        self.learning_rates = {
            "weight": lr_weight,
            "functions": lr_functions,
            "embedding": lr_embedding,
            "field": lr_field,
        }
        learned = model.embedding.requires_grad
        self.cluster_after = event_steps(cluster_at, n_steps=n_steps) if learned else set()
        self.step = 0
        self._adam = torch.optim.Adam(_parameter_groups(model), lr=0.0, fused=True)
        self._survey(batches.sample(2000))

    def advance(self) -> Terms:
        """Does one step; returns the terms of its loss, still on the device."""
        self.step += 1
        self._set_learning_rates()
        x, y, frames = self.batches.draw(self.batch_size, generator=self.generator)
        terms = self._terms(x, y, frames)
        self._adam.zero_grad()
        terms.total.backward()
        self._adam.step()
        with torch.no_grad():
            # Adam turns the rounding error that is the diagonal's gradient into full steps.
            self.model.weight.diagonal().zero_()
        if self.step in self.cluster_after:
            self._join_alike()
        return terms

    def _survey(self, sample: Float[Tensor, "T N"]) -> None:
        """Lays grids over the activity that a sample visits."""
        low, high = float(sample.min()), float(sample.max())
        margin = 0.1 * (high - low)
        device = sample.device
        self._spread = float(sample.std())
        self._table = torch.linspace(low - margin, high + margin, _TABLE, device=device)
        few = sample[:: 1 + sample.numel() // 2**20].cpu()  # spares sorting tens of millions
        visited = few.flatten().quantile(_VISITED)
        self._curve = torch.linspace(float(visited[0]), float(visited[1]), _CURVE, device=device)
        tabulate = self.model.transfer_input == "activity" and margin > 0
        self._tabulate = tabulate and self.batch_size * self.model.n_neurons > 2 * _TABLE

    def _set_learning_rates(self) -> None:
        resting = is_resting(self.step, self.cluster_after, n_steps=self.n_steps)
        for group in self._adam.param_groups:
            held = resting and group["name"] in ("transfer", "embedding")
            group["lr"] = 0.0 if held else self.rate * self.learning_rates[group["rate"]]

    def _terms(
        self, x: Float[Tensor, "B N"], y: Float[Tensor, "B N"], frames: Int[Tensor, " B"]
    ) -> Terms:
        model, coefficient = self.model, self.penalties
        if self._tabulate:
            inflow = model.message(model.sent_from_table(x, self._table))
        else:
            inflow = model.inflow(x)
        rate = _partly_learned(model, x) + model.driven(inflow, frames)
        penalties = {}
        if coefficient.phi_zero:
            penalties["phi_zero"] = coefficient.phi_zero * phi_zero(model, n_frames=len(x))
        if coefficient.psi_monotonic:
            value = psi_monotonic(model, x, step=0.01 * self._spread)
            penalties["psi_monotonic"] = coefficient.psi_monotonic * value
        if coefficient.weight_l1:
            penalties["weight_l1"] = coefficient.weight_l1 * weight_l1(model)
        return Terms(fit=(rate - y).norm(), penalties=penalties)

    def _join_alike(self) -> None:
        labels = join_alike(
            self.model,
            self._curve,
            n_steps=self.cluster_steps,
            learning_rate=self.rate * self.learning_rates["functions"],
            seed=self.seed,
        )
        logger.info("step %d: neurons joined in %d clusters", self.step, labels.max() + 1)


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


def _parameter_groups(model: AssemblyGNN) -> list[dict[str, Any]]:
    """Parameters by tensor or function, with the name of their learning rate."""
    groups = [
        {"name": "weight", "rate": "weight", "params": [model.weight]},
        {"name": "update", "rate": "functions", "params": list(model.update.parameters())},
        {"name": "transfer", "rate": "functions", "params": list(model.transfer.parameters())},
    ]
    if model.embedding.requires_grad:
        groups.append({"name": "embedding", "rate": "embedding", "params": [model.embedding]})
    if model.field is not None:
        field = list(model.field.parameters())
        groups.append({"name": "field", "rate": "field", "params": field})
    return groups
