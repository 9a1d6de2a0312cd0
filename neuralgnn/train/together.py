"""Descents of several seeds, every step of them one batch. Axes: S seeds, B frames, N neurons.

On a GPU a step of a network of a thousand neurons takes as long as it takes to start its kernels.
Here the kernels of all seeds are the same ones: parameters have a leading axis of seeds, and the
loss is mapped over it (``torch.vmap``). Adam works on every number by itself, so the seeds do not
know of each other.
"""

__all__ = ["Together"]

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.descent import Descent
from neuralgnn.train.terms import Terms


class Together:
    """Descents with one schedule, each on its own recording, from its own seed.

    Every model's parameters become views of the stacked ones: what is read from a descent, or
    changed in it in place, is that of its seed.

    Args:
        descents: At the same step, their models of one shape and on one device.

    Raises:
        ValueError: If the models differ in shape.
    """

    def __init__(self, descents: Sequence[Descent]) -> None:
        self.descents = list(descents)
        first = self.descents[0]
        shapes = [
            {name: value.shape for name, value in descent.model.named_parameters()}
            for descent in self.descents
        ]
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                "models that are fitted together must be of one shape; found "
                + " and ".join(str(descent.model.n_neurons) for descent in self.descents)
                + " neurons"
            )
        self._parameters = _stacked([descent.model for descent in self.descents])
        self._adam = torch.optim.Adam(self._groups(first), lr=0.0, fused=True)
        self._loss = _Loss(first)
        self._buffers = {f"model.{name}": value for name, value in first.model.named_buffers()}
        self._losses = torch.compile(self._terms) if first.compiled else self._terms
        self._device = first.model.weight.device
        self._scales = self._constant([descent.model.activity_scale for descent in self.descents])
        self._spreads = self._constant([descent.spread for descent in self.descents])
        tables = [descent.table for descent in self.descents]
        known = [table for table in tables if table is not None]
        # One without a table, as its activity never changes: then none has one.
        self._tables = torch.stack(known) if len(known) == len(tables) else None

    @property
    def step(self) -> int:
        """Steps done."""
        return self.descents[0].step

    @property
    def rate(self) -> float:
        """Factor that the learning rates are multiplied by at this step."""
        return self.descents[0].rate

    def advance(self) -> list[Terms]:
        """Does one step of every descent; returns the terms of their losses."""
        for descent in self.descents:
            descent.begin_step(self._adam)
        drawn = [descent.draw() for descent in self.descents]
        x, y, frames = (torch.stack(each) for each in zip(*drawn, strict=True))
        values = self._losses(self._parameters, x, y, frames.to(self._device))
        terms = [
            Terms.of({name: value[index] for name, value in values.items()})
            for index in range(len(self.descents))
        ]
        self._adam.zero_grad()
        torch.stack([each.total for each in terms]).sum().backward()
        self._adam.step()
        for descent in self.descents:
            descent.end_step()
        return terms

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on and that is not set at construction."""
        return {
            "step": self.step,
            "parameters": {name: value.detach() for name, value in self._parameters.items()},
            "adam": self._adam.state_dict(),
            "generators": [descent.generator.get_state() for descent in self.descents],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where :meth:`state` was taken."""
        with torch.no_grad():
            for name, value in self._parameters.items():
                value.copy_(state["parameters"][name])
        self._adam.load_state_dict(state["adam"])
        for descent, generator in zip(self.descents, state["generators"], strict=True):
            descent.step = state["step"]
            descent.generator.set_state(generator)

    def _terms(self, parameters: Mapping[str, Tensor], *batch: Tensor) -> dict[str, Tensor]:
        """Terms of the loss by name, ``(S,)`` each."""

        def one(parameters: Mapping[str, Tensor], *given: Tensor | None) -> dict[str, Tensor]:
            named = {f"model.{name}": value for name, value in parameters.items()}
            return functional_call(self._loss, named | self._buffers, given)

        axes = (0, *(0 for _ in batch), None if self._tables is None else 0, 0, 0)
        constants = (self._tables, self._spreads, self._scales)
        return torch.vmap(one, in_dims=axes)(parameters, *batch, *constants)

    def _constant(self, values: Sequence[Any]) -> Float[Tensor, " S"]:
        return torch.tensor(values, dtype=torch.float32, device=self._device)

    def _groups(self, descent: Descent) -> list[dict[str, Any]]:
        """Groups of stacked parameters, like those of a descent."""
        names = {value: name for name, value in descent.model.named_parameters()}
        return [
            {
                "name": group["name"],
                "rate": group["rate"],
                "params": [self._parameters[names[value]] for value in group["params"]],
            }
            for group in descent.parameter_groups
        ]


class _Loss(nn.Module):
    """The loss of a descent, as a module whose parameters ``functional_call`` can replace.

    Its own have shapes, and no values.
    """

    def __init__(self, descent: Descent) -> None:
        super().__init__()
        self.model: AssemblyGNN = deepcopy(descent.model).to("meta")
        self.terms = descent.terms

    def forward(
        self,
        x: Float[Tensor, "B N"],
        y: Float[Tensor, "B N"],
        frames: Int[Tensor, " B"],
        table: Float[Tensor, " G"] | None,
        spread: Float[Tensor, ""],
        scale: Float[Tensor, ""],
    ) -> dict[str, Float[Tensor, ""]]:
        """Terms by name."""
        own = self.model.activity_scale
        self.model.activity_scale = scale  # a constant of the recording, and no parameter
        values = self.terms(self.model, x, y, frames, table, spread)
        self.model.activity_scale = own  # nothing mapped may outlive the map
        return values


def _stacked(models: Sequence[nn.Module]) -> dict[str, nn.Parameter]:
    """Parameters of models of one shape, stacked by name; the models' own become views of them."""
    named = [dict(model.named_parameters()) for model in models]
    stacked = {}
    for name, value in named[0].items():
        together = torch.stack([each[name].detach() for each in named])
        for index, each in enumerate(named):
            each[name].data = together[index]
        stacked[name] = nn.Parameter(together, requires_grad=value.requires_grad)
    return stacked
