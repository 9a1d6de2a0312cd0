"""One gradient step after another. Axes: B frames, N neurons, G grid points."""

__all__ = ["Descent"]

import logging
from collections.abc import Collection
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.batches import Batches
from neuralgnn.train.clusters import join_alike
from neuralgnn.train.resumable import ResumableDescent
from neuralgnn.train.schedule import event_steps, is_resting
from neuralgnn.train.terms import PenaltyCoefficients, Terms, loss_terms

logger = logging.getLogger(__name__)

_TABLE = 1024  # points that psi is evaluated at, in place of every activity of a batch
_CURVE = 200  # points at which update functions are compared
_VISITED = torch.tensor([0.001, 0.999])


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
        compiled: Whether ``torch.compile`` makes one program of the loss and one of its gradient.

    Attributes:
        step: Steps done.
        spread: Standard deviation of the activity.
        terms: Terms of the loss by name, of model, activity, rate of change, frames, table and
            spread (:func:`neuralgnn.train.terms.loss_terms`).
        parameter_groups: Parameters by the name of their learning rate.
        table: Activities that psi is evaluated at, ``(G,)``; None: it is at every activity.
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
        compiled: bool = False,
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
        self.parameter_groups = _parameter_groups(model)
        self._adam = torch.optim.Adam(self.parameter_groups, lr=0.0, fused=True)
        self.terms = partial(loss_terms, coefficient=penalties)
        self.compiled = compiled
        self._loss = torch.compile(self.terms) if compiled else self.terms
        self._survey(batches.sample(2000))

    def advance(self) -> Terms:
        """Does one step; returns the terms of its loss, still on the device."""
        self.begin_step(self._adam)
        x, y, frames = self.draw()
        terms = Terms.of(self._loss(self.model, x, y, frames, self.table, self.spread))
        self._adam.zero_grad()
        terms.total.backward()
        self._adam.step()
        self.end_step()
        return terms

    def begin_step(self, adam: torch.optim.Adam) -> None:
        """Counts the next step and sets the learning rates that the schedule has for it."""
        self.step += 1
        resting = is_resting(self.step, self.cluster_after, n_steps=self.n_steps)
        for group in adam.param_groups:
            held = resting and group["name"] in ("transfer", "embedding")
            group["lr"] = 0.0 if held else self.rate * self.learning_rates[group["rate"]]

    def draw(self) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"], Int[Tensor, " B"]]:
        """Activity, its rate of change and the frames of the next batch."""
        return self.batches.draw(self.batch_size, generator=self.generator)

    def end_step(self) -> None:
        """What follows the step of Adam."""
        with torch.no_grad():
            # Adam turns the rounding error that is the diagonal's gradient into full steps.
            self.model.weight.diagonal().zero_()
        if self.step in self.cluster_after:
            self._join_alike()

    def _survey(self, sample: Float[Tensor, "T N"]) -> None:
        """Lays grids over the activity that a sample visits."""
        low, high = float(sample.min()), float(sample.max())
        margin = 0.1 * (high - low)
        device = sample.device
        self.spread = float(sample.std())
        few = sample[:: 1 + sample.numel() // 2**20].cpu()  # spares sorting tens of millions
        visited = few.flatten().quantile(_VISITED)
        self._curve = torch.linspace(float(visited[0]), float(visited[1]), _CURVE, device=device)
        tabulate = self.model.transfer_input == "activity" and margin > 0
        self.table = None
        if tabulate and self.batch_size * self.model.n_neurons > 2 * _TABLE:
            self.table = torch.linspace(low - margin, high + margin, _TABLE, device=device)

    def _join_alike(self) -> None:
        labels = join_alike(
            self.model,
            self._curve,
            n_steps=self.cluster_steps,
            learning_rate=self.rate * self.learning_rates["functions"],
            seed=self.seed,
        )
        logger.info("step %d: neurons joined in %d clusters", self.step, labels.max() + 1)


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
