r"""Gradient steps of a model on given edges. Axes: B frames, N neurons, E edges.

.. math:: L = \lVert \hat{\dot v} - \dot v \rVert_2 + \text{penalties}

As published, the fit is the Euclidean norm over all B N residuals, and penalties are added once
per step, those that depend on activity for the first frame of the batch. Messages are those of
:class:`neuralgnn.models.GeneralGNN`: g is evaluated once per neuron and frame, never per edge.

Source: the companion code of Allier, Lappalainen and Saalfeld, 2026.
"""

__all__ = ["GraphBatches", "GraphDescent", "GraphPenalties"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models import GeneralGNN
from neuralgnn.train.batches import Batches
from neuralgnn.train.resumable import ResumableDescent
from neuralgnn.train.terms import Terms

_SPREAD = 1.5  # unit of activity in the penalties, in standard deviations of all activity
_STEP = 0.05  # distance at which monotony is looked at, in that unit
_LARGE = 2.0  # activity at which the message is tied to it, in that unit


@dataclass(frozen=True)
class GraphPenalties:
    r"""Coefficient of each penalty; one that is 0 is left out.

    With m(v) the message at activity v, s the unit of activity and p the tensors of a function:

    * ``transfer_monotonic``: :math:`\lVert \max(0, m(v) - m(v + 0.05 s)) \rVert_2`, and
      ``transfer_norm``: :math:`\lVert m(2 s) - 2 s \rVert_2`, both over neurons, without gradient
      for the latent vectors;
    * ``transfer_l1``, ``update_l1``: :math:`\sum_p \lVert p \rVert_1`;
    * ``update_l2``: :math:`\sum_p \lVert p \rVert_2`; ``weight_l1``: :math:`\lVert W \rVert_1`.
    """

    transfer_monotonic: float = 0.0
    transfer_norm: float = 0.0
    transfer_l1: float = 0.0
    update_l1: float = 0.0
    update_l2: float = 0.0
    weight_l1: float = 0.0

    def terms(
        self, model: GeneralGNN, x: Float[Tensor, " N"], *, unit: float
    ) -> dict[str, Float[Tensor, ""]]:
        """Values, coefficients included.

        Args:
            model: The model.
            x: Activity of one frame.
            unit: Unit of activity s.
        """
        values = {}
        a, frame = model.embedding.detach(), x[None]
        if self.transfer_monotonic:
            ahead = model.sent(frame + _STEP * unit, embedding=a)
            fall = (model.sent(frame, embedding=a) - ahead).relu()
            values["transfer_monotonic"] = self.transfer_monotonic * fall.norm()
        if self.transfer_norm:
            large = torch.full_like(frame, _LARGE * unit)
            off = model.sent(large, embedding=a) - large
            values["transfer_norm"] = self.transfer_norm * off.norm()
        for name, function, norm in (
            ("transfer_l1", model.transfer, 1),
            ("update_l1", model.updating, 1),
            ("update_l2", model.updating, 2),
        ):
            if coefficient := getattr(self, name):
                norms = [p.flatten().norm(norm) for p in function.parameters()]
                values[name] = coefficient * torch.stack(norms).sum()
        if self.weight_l1:
            values["weight_l1"] = self.weight_l1 * model.weight.abs().sum()
        return values


class GraphBatches(Batches):
    """Random frames together with what drives the network there."""

    def draw_driven(
        self, n_frames: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        """Activity, external input and rate of change [activity/time unit] at random frames."""
        index = torch.randint(self.n_frames, (n_frames,), generator=generator)
        x, y = self.at(index)
        external = self._recording.external_input(np.asarray(self._frames)[index.numpy()])
        if external is None:
            return x, torch.zeros_like(x), y
        return x, torch.from_numpy(external).to(self._device), y


class GraphDescent(ResumableDescent[GeneralGNN]):
    """Adam on W, f, g and a, each with its own learning rate.

    Args:
        model: Model to fit, changed in place.
        batches: Where frames are drawn from.
        n_steps: Steps that the schedule is laid out for.
        batch_size: Frames per step.
        lr_weight: Learning rate of W.
        lr_functions: Learning rate of f and g.
        lr_embedding: Learning rate of the latent vectors a.
        decay_from: Share of the steps after which learning rates fall to zero; 1 for never.
        penalties: Coefficients of the penalties.
        generator: Where frames are drawn from, on the CPU.

    Attributes:
        step: Steps done.

    Raises:
        ValueError: If the activity never changes.
    """

    def __init__(
        self,
        model: GeneralGNN,
        batches: GraphBatches,
        *,
        n_steps: int,
        batch_size: int,
        lr_weight: float,
        lr_functions: float,
        lr_embedding: float,
        decay_from: float,
        penalties: GraphPenalties,
        generator: torch.Generator,
    ) -> None:
        self.model, self.batches, self.generator = model, batches, generator
        self.n_steps, self.batch_size, self.decay_from = n_steps, batch_size, decay_from
        self.penalties, self.step = penalties, 0
        self.learning_rates = {
            "weight": lr_weight,
            "functions": lr_functions,
            "embedding": lr_embedding,
        }
        functions = [*model.updating.parameters(), *model.transfer.parameters()]
        groups = [
            {"name": "weight", "params": [model.weight]},
            {"name": "functions", "params": functions},
            {"name": "embedding", "params": [model.embedding]},
        ]
        self._adam = torch.optim.Adam(groups, lr=0.0, fused=True)
        self.unit = _SPREAD * float(batches.sample(2000).std(correction=0))
        if not self.unit > 0:
            raise ValueError("the activity never changes: there is nothing to fit")

    def advance(self) -> Terms:
        """Does one step; returns the terms of its loss, still on the device."""
        self.step += 1
        for group in self._adam.param_groups:
            group["lr"] = self.rate * self.learning_rates[group["name"]]
        x, external, y = self.batches.draw_driven(self.batch_size, generator=self.generator)
        terms = self.terms(x, external, y)
        self._adam.zero_grad()
        terms.total.backward()
        self._adam.step()
        return terms

    def terms(
        self, x: Float[Tensor, "B N"], external: Float[Tensor, "B N"], y: Float[Tensor, "B N"]
    ) -> Terms:
        """Loss of a batch."""
        fit = (self.model(x, external) - y).norm()
        return Terms(fit=fit, penalties=self.penalties.terms(self.model, x[0], unit=self.unit))
