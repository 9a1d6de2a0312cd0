r"""The rate equation of the fly visual system on a sparse graph. Axes: T frames, N neurons.

.. math:: \tau_i \dot v_i = -v_i + V_i + \sum_j W_{ij}\, \mathrm{relu}(v_j) + I_i

Integrated by explicit Euler with one stimulus frame per step. The published dynamics use the time
constants as they are, though most lie a little below dt; flyvis raises them to dt.

Source: Lappalainen et al. 2024 (Nature 634, 1132), equation 3.
"""

__all__ = ["FlyEquation"]

import warnings
from dataclasses import dataclass, replace
from typing import Self

import scipy.sparse
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class FlyEquation:
    """The noise-free rate of change of all neurons, in single precision.

    Attributes:
        weight: W, ``weight[i, j]`` acting from j on i [1].
        time_constant: tau of each neuron [s].
        resting_potential: V of each neuron [1].
        placed: W on the device of the others; None: they are in memory.
    """

    weight: scipy.sparse.csr_array
    time_constant: Float[Tensor, " N"]
    resting_potential: Float[Tensor, " N"]
    placed: Float[Tensor, "N N"] | None = None

    @property
    def n_neurons(self) -> int:
        """Number of neurons ``N``."""
        return len(self.time_constant)

    def __call__(
        self, v: Float[Tensor, " N"], external: Float[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        """The rate of change dv/dt [1/s] at voltages v under external input I."""
        rate = self.message(v.clamp_min(0))
        rate += external
        rate += self.resting_potential
        rate -= v
        rate /= self.time_constant
        return rate

    def message(self, sent: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """W times what every neuron sends."""
        if self.placed is not None:
            return self.placed @ sent
        # SciPy's product is as fast as PyTorch's, which not every processor has.
        return torch.from_numpy(self.weight @ sent.numpy())

    def to(self, device: torch.device | str) -> Self:
        """The same equation on a device."""
        if torch.device(device).type == "cpu":
            return self
        return replace(
            self,
            time_constant=self.time_constant.to(device),
            resting_potential=self.resting_potential.to(device),
            placed=_sparse_tensor(self.weight).to(device),
        )

    def at_least(self, dt: float) -> Self:
        """The same equation with time constants of at least dt."""
        return replace(self, time_constant=self.time_constant.clamp_min(dt))

    def steady_state(
        self, external: Float[Tensor, " N"], *, dt: float, n_steps: int
    ) -> Float[Tensor, " N"]:
        """Voltages after a constant input, from rest, noise-free, with tau of at least dt."""
        stable = self.at_least(dt)
        v = self.resting_potential.clone()
        for _ in range(n_steps):
            v += dt * stable(v, external)
        return v


def _sparse_tensor(weight: scipy.sparse.csr_array) -> Float[Tensor, "N N"]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(weight.indptr),
            torch.from_numpy(weight.indices),
            torch.from_numpy(weight.data),
            size=weight.shape,
            check_invariants=True,
        )
