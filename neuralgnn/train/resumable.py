"""A descent that can be left after any step and gone on with identically."""

__all__ = ["ResumableDescent"]

from typing import Any, Generic, TypeVar

import torch
from torch import nn

from neuralgnn.train.schedule import decay

Model = TypeVar("Model", bound=nn.Module)


class ResumableDescent(Generic[Model]):
    """What every descent by Adam shares: where it stands, and the decay of its learning rates.

    Attributes:
        model: Model that is fitted.
        generator: Where frames are drawn from, on the CPU.
        n_steps: Steps that the schedule is laid out for.
        decay_from: Share of the steps after which learning rates fall to zero; 1 for never.
        step: Steps done.
    """

    model: Model
    generator: torch.Generator
    n_steps: int
    decay_from: float
    step: int
    _adam: torch.optim.Adam

    @property
    def rate(self) -> float:
        """Factor that the learning rates are multiplied by at this step."""
        return decay(self.step, n_steps=self.n_steps, decay_from=self.decay_from)

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on and that is not set at construction."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "adam": self._adam.state_dict(),
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where :meth:`state` was taken."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self._adam.load_state_dict(state["adam"])
        self.generator.set_state(state["generator"])
