"""Multi-layer perceptrons of one output. Axes: ... any leading axes, C inputs."""

__all__ = ["MLP"]

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

# In place: the largest tensors of a training step are these, and their allocation costs more
# than their arithmetic.
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
}


class MLP(nn.Module):
    """A scalar function of ``C`` inputs.

    The first layer keeps PyTorch's initialisation; the later ones start with weights from
    N(0, 0.1^2) and no bias. Source: published code of Allier et al. 2026.

    Args:
        n_inputs: Number of inputs ``C``.
        hidden: Width of the hidden layers.
        n_layers: Number of linear layers.
        activation: Nonlinearity between the layers.
        generator: Where initial weights are drawn from; None leaves PyTorch's global state.
    """

    def __init__(
        self,
        n_inputs: int,
        *,
        hidden: int = 64,
        n_layers: int = 3,
        activation: Literal["relu", "tanh", "silu"] = "relu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = [n_inputs] + [hidden] * (n_layers - 1) + [1]
        layers: list[nn.Module] = []
        for into, out in pairwise(widths):
            linear = cast(nn.Linear, nn.utils.skip_init(nn.Linear, into, out))
            layers += [linear, _ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers[:-1])
        self.reset(generator)

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draws all weights anew."""
        for index, layer in enumerate(self.layers):
            if isinstance(layer, nn.Linear):
                _initialise(layer, first=index == 0, generator=generator)

    def forward(self, inputs: Float[Tensor, "*batch C"]) -> Float[Tensor, "*batch"]:
        """Value of the function at each row of inputs."""
        return self.layers(inputs).squeeze(-1)


@torch.no_grad()
def _initialise(linear: nn.Linear, *, first: bool, generator: torch.Generator | None) -> None:
    if first:
        bound = linear.in_features**-0.5
        linear.weight.uniform_(-bound, bound, generator=generator)
        linear.bias.uniform_(-bound, bound, generator=generator)
    else:
        linear.weight.normal_(0.0, 0.1, generator=generator)
        linear.bias.zero_()
