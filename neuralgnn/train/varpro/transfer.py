"""Transfer functions as splines, by groups of neurons.

Axes: T frames, N neurons, R groups of receivers, G groups of senders, C coefficients, P points.
"""

__all__ = ["TransferSplines"]

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.train.varpro.fit import interpolate
from neuralgnn.train.varpro.splines import SplineBasis

_TABLE_POINTS = 1 << 15


@dataclass(frozen=True)
class TransferSplines:
    """psi from every group of neurons to every group, on common knots.

    Attributes:
        knots: Breakpoints of the splines [activity].
        coefficients: One row for a psi that does not depend on the receiver, one column for one
            that does not depend on the sender.
        groups: Group of each neuron, 0 for all where there is one.
        ridge: Relative ridge on W that they were found with.
    """

    knots: NDArray[np.float64]
    coefficients: NDArray[np.float64]  # (R, G, C)
    groups: Int[Tensor, " N"]
    ridge: float

    @cached_property
    def basis(self) -> SplineBasis:
        """Splines on the knots."""
        return SplineBasis(self.knots)

    @cached_property
    def grid(self) -> NDArray[np.float64]:
        """Fine even grid from the first to the last knot."""
        return np.linspace(self.knots[0], self.knots[-1], _TABLE_POINTS)

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.groups)

    @property
    def n_receiving(self) -> int:
        """Number of groups of receivers R."""
        return len(self.coefficients)

    @property
    def n_groups(self) -> int:
        """Number of groups of neurons."""
        return int(self.groups.max()) + 1

    @property
    def all_functions(self) -> Float[np.ndarray, "RG C"]:
        """Coefficients of all functions, one after the other."""
        return self.coefficients.reshape(-1, self.coefficients.shape[-1])

    def receivers(self, group: int) -> Int[Tensor, " I"]:
        """Neurons of one group of receivers."""
        if self.n_receiving == 1:
            return torch.arange(len(self.groups), device=self.groups.device)
        return (self.groups == group).nonzero()[:, 0]

    def sent(self, x: Float[Tensor, "T N"], *, receiving: int = 0) -> Float[Tensor, "T N"]:
        """What every neuron sends to one group of receivers, in float64."""
        functions = self.coefficients[receiving]
        tables = torch.as_tensor(self.basis.curve(functions.T, self.grid), device=x.device)
        if len(functions) == 1:
            return interpolate(x, self.grid, tables[:, 0])
        sent = torch.empty_like(x, dtype=torch.float64)
        for group, table in enumerate(tables.T.contiguous()):
            members = self.groups == group
            sent[:, members] = interpolate(x[:, members], self.grid, table)
        return sent
