r"""The rate equation of the fly visual system on a sparse graph. Axes: T frames, N neurons.

.. math:: \tau_i \dot v_i = -v_i + V_i + \sum_j W_{ij}\, \mathrm{relu}(v_j) + I_i

Integrated by explicit Euler with one stimulus frame per step. The published dynamics use the time
constants as they are, though most lie a little below dt; flyvis raises them to dt.

Source: Lappalainen et al. 2024 (Nature 634, 1132), equation 3.
"""

__all__ = ["FlyEquation"]

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.sparse
from jaxtyping import Float32


@dataclass(frozen=True, eq=False, kw_only=True)
class FlyEquation:
    """The noise-free rate of change of all neurons, in single precision.

    Attributes:
        weight: W, ``weight[i, j]`` acting from j on i [1].
        time_constant: tau of each neuron [s].
        resting_potential: V of each neuron [1].
    """

    weight: scipy.sparse.csr_array
    time_constant: Float32[np.ndarray, " N"]
    resting_potential: Float32[np.ndarray, " N"]

    @property
    def n_neurons(self) -> int:
        """Number of neurons ``N``."""
        return len(self.time_constant)

    def __call__(
        self, v: Float32[np.ndarray, " N"], external: Float32[np.ndarray, " N"]
    ) -> Float32[np.ndarray, " N"]:
        """The rate of change dv/dt [1/s] at voltages v under external input I."""
        rate = self.weight @ np.maximum(v, 0)
        rate += external
        rate += self.resting_potential
        rate -= v
        rate /= self.time_constant
        return rate

    def at_least(self, dt: float) -> Self:
        """The same equation with time constants of at least dt."""
        raised = np.maximum(self.time_constant, np.float32(dt))
        return replace(self, time_constant=raised)

    def steady_state(
        self, external: Float32[np.ndarray, " N"], *, dt: float, n_steps: int
    ) -> Float32[np.ndarray, " N"]:
        """Voltages after a constant input, from rest, noise-free, with tau of at least dt."""
        stable = self.at_least(dt)
        v = self.resting_potential.copy()
        for _ in range(n_steps):
            v += np.float32(dt) * stable(v, external)
        return v
