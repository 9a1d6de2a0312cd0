r"""Networks of sines, and a hidden field over a grid of neurons.

Axes: B frames, R C pixels, P points, I inputs.

.. math:: \Omega(u, v, t) = f(u, v, t)^2

with f a network of sines (SIREN), u and v from 0 to 1 along rows and columns of the grid, and t
from 0 to 1 along the recording. Squared, as a field that multiplies messages cannot change the
sign of a connection.

Source: Sitzmann et al. 2020 (arXiv:2006.09661); sizes and initialisation of the published code
of Allier et al. 2026 (arXiv:2602.13325), figure 3.
"""

__all__ = ["Siren", "SirenField"]

from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Siren(nn.Module):
    """A network of sines of points, with one output.

    Args:
        n_inputs: Coordinates ``I`` of a point.
        hidden: Width of the network.
        n_layers: Hidden layers after the first one.
        omega_0: Factor in every sine.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.
    """

    def __init__(
        self,
        n_inputs: int,
        *,
        hidden: int,
        n_layers: int,
        omega_0: float,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.omega_0 = omega_0
        widths = [n_inputs] + [hidden] * (n_layers + 1) + [1]
        self.layers = nn.ModuleList(
            _linear(into, out, first=index == 0, omega_0=omega_0, generator=generator)
            for index, (into, out) in enumerate(pairwise(widths))
        )

    def forward(self, points: Float[Tensor, "P I"]) -> Float[Tensor, " P"]:
        """Value at each point."""
        values = points
        for layer in self.layers[:-1]:
            values = torch.sin(self.omega_0 * layer(values))
        return self.layers[-1](values).squeeze(-1)


class SirenField(Siren):
    """What the messages to neurons on a grid are multiplied by, at any place and time.

    Args:
        shape: Rows and columns of the grid.
        first_neuron: Neuron of the first pixel; the others follow row by row.
        n_frames: Frames that the field's time runs over.
        hidden: Width of the network.
        n_layers: Hidden layers after the first one.
        omega_0: Factor in every sine.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.
    """

    points: Float[Tensor, "P 2"]

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        first_neuron: int = 0,
        n_frames: int,
        hidden: int = 128,
        n_layers: int = 5,
        omega_0: float = 30.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(3, hidden=hidden, n_layers=n_layers, omega_0=omega_0, generator=generator)
        rows, columns = shape
        self.arguments = {
            "shape": [rows, columns],
            "first_neuron": first_neuron,
            "n_frames": n_frames,
            "hidden": hidden,
            "n_layers": n_layers,
            "omega_0": omega_0,
        }
        self.shape, self.n_frames = (rows, columns), n_frames
        self.neurons = slice(first_neuron, first_neuron + rows * columns)
        grid = torch.cartesian_prod(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns))
        self.register_buffer("points", grid, persistent=False)

    def forward(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, " P"]:
        """Field at points (u, v, t)."""
        return super().forward(points).square()

    def inputs(
        self, frames: Int[Tensor, " P"] | Float[Tensor, " P"], pixels: Int[Tensor, " P"]
    ) -> Float[Tensor, "P 3"]:
        """Points (u, v, t) of pixels at frames of the recording."""
        t = (frames / self.n_frames).to(self.points)
        return torch.cat([self.points[pixels], t[:, None]], dim=1)

    def at(self, frames: Int[Tensor, " B"]) -> Float[Tensor, "B RC"]:
        """Field on the whole grid at frames of the recording."""
        pixels = torch.arange(len(self.points), device=self.points.device)
        frames = frames.to(self.points.device)
        inputs = self.inputs(frames.repeat_interleave(len(pixels)), pixels.repeat(len(frames)))
        return self(inputs).view(len(frames), -1)


@torch.no_grad()
def _linear(
    into: int, out: int, *, first: bool, omega_0: float, generator: torch.Generator | None
) -> nn.Linear:
    linear = cast(nn.Linear, nn.utils.skip_init(nn.Linear, into, out))
    bound = 1 / into if first else (6 / into) ** 0.5 / omega_0
    linear.weight.uniform_(-bound, bound, generator=generator)
    linear.bias.uniform_(-(into**-0.5), into**-0.5, generator=generator)
    return linear
