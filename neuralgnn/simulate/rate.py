r"""Rate equations of a neural assembly. Axes: N neurons, K types, G grid points.

.. math::
    \dot x_i = -\lambda_i x_i + b_i + s_i F(x_i) + g_i \sum_{j \ne i} W_{ij}\, \psi_{ij}(x_j)

with the transfer function, by ``transfer``:

* ``shared``: :math:`\psi(x_j) = F(x_j)`
* ``sender``: :math:`\psi_j(x_j) = F((x_j - h_j) / w_j)`
* ``pair``: :math:`\psi_{ij}(x_j) = F((x_j - h_j) / w_i) - q \ln(w_j)\, x_j`

The first two are evaluated once per neuron, and one product with W sums them. The third depends
on the receiver through its width only: rows of W are grouped by width, and each group is one
product with its own :math:`\psi`; nothing is evaluated per connection.

Source: Allier et al. 2026 (arXiv:2602.13325).
"""

__all__ = ["PARAMETERS", "RateEquation", "assign_types"]

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal, Self, get_args

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.config.simulation import SimulationConfig

Transfer = Literal["shared", "sender", "pair"]
Function = Literal["tanh", "relu", "sigmoid"]

PARAMETERS = {
    "decay": "1/time unit",
    "offset": "activity/time unit",
    "self_coupling": "activity/time unit",
    "gain": "activity/time unit",
    "width": "activity",
    "threshold": "activity",
}

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


@dataclass(frozen=True, kw_only=True)
class RateEquation:
    r"""The noise-free rate of change of all neurons, :math:`\dot x = f(x)`.

    Attributes:
        weight: W, W[i, j] acting from j on i, with a zero diagonal.
        decay: :math:`\lambda_i`, 1/tau [1/time unit].
        offset: :math:`b_i` [activity/time unit].
        self_coupling: :math:`s_i` [activity/time unit].
        gain: :math:`g_i` [activity/time unit].
        width: :math:`w_i` [activity].
        threshold: :math:`h_i` [activity].
        transfer: What the transfer function depends on.
        function: The nonlinearity F.
        slope: q, slope of the linear part of ``pair`` [1/activity].
    """

    weight: Float[Tensor, "N N"]
    decay: Float[Tensor, " N"]
    offset: Float[Tensor, " N"]
    self_coupling: Float[Tensor, " N"]
    gain: Float[Tensor, " N"]
    width: Float[Tensor, " N"]
    threshold: Float[Tensor, " N"]
    transfer: Transfer = "shared"
    function: Function = "tanh"
    slope: float = 0.0

    @classmethod
    def from_config(
        cls, config: SimulationConfig, weight: Float[np.ndarray, "N N"] | Float[Tensor, "N N"]
    ) -> Self:
        """The equation that a configuration describes, with the given weights."""
        types = assign_types(config.n_neurons, len(config.neuron_types))
        per_neuron = {
            name: torch.tensor([getattr(row, name) for row in config.neuron_types])[types]
            for name in PARAMETERS
        }
        return cls(
            weight=torch.as_tensor(weight),
            **per_neuron,
            transfer=config.transfer.kind,
            function=config.transfer.function,
            slope=config.transfer.slope if config.transfer.kind == "pair" else 0.0,
        )

    @classmethod
    def from_truth(
        cls,
        truth: xr.Dataset,
        *,
        weight: Float[np.ndarray, "N N"] | None = None,
        types: Int[np.ndarray, " N"] | None = None,
    ) -> Self:
        """The equation that made a recording, or the same with other connections or types.

        Args:
            truth: What :func:`neuralgnn.data.open_truth` gives.
            weight: Other weights, in place of the recording's.
            types: Another type for each neuron, by the numbers of the recording's types.

        Raises:
            ValueError: If ``truth`` has other variables, or a size or type does not fit it.
        """
        missing = {"weight", "type", *PARAMETERS} - set(truth.variables)
        if missing or truth.attrs.get("transfer_kind") not in get_args(Transfer):
            raise ValueError(
                f"truth lacks {', '.join(sorted(missing)) or 'a known transfer_kind'}; it "
                "was not written by a simulation of this version"
            )
        neurons = _representatives(truth["type"].values, types)
        weight = truth["weight"].values if weight is None else np.asarray(weight)
        if weight.shape != (len(neurons), len(neurons)):
            raise ValueError(f"weight has shape {weight.shape} for {len(neurons)} neurons")
        return cls(
            weight=torch.from_numpy(np.array(weight, dtype=np.float32)),
            **{name: torch.from_numpy(truth[name].values[neurons]).float() for name in PARAMETERS},
            transfer=truth.attrs["transfer_kind"],
            function=truth.attrs["function"],
            slope=truth.attrs["slope"],
        )

    def __call__(self, x: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N"]:
        """The rate of change dx/dt [activity/time unit]."""
        response = _FUNCTIONS[self.function](x)
        # The shared transfer function is the one of the self-coupling: evaluated once for both.
        shared = self.transfer == "shared"
        message = _summed(response, self.weight) if shared else self.message(x)
        return torch.addcmul(self._own(x, response), self.gain, message)

    def update(self, x: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N"]:
        r"""What a neuron does by itself, :math:`-\lambda_i x_i + b_i + s_i F(x_i)`."""
        return self._own(x, _FUNCTIONS[self.function](x))

    def message(self, x: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N"]:
        r"""What arrives from the others, :math:`\sum_j W_{ij} \psi_{ij}(x_j)`, without gain."""
        if self.transfer != "pair":
            return _summed(self.sent(x), self.weight)
        message = torch.empty_like(x)
        for width, receivers, weight in self._rows_by_width:
            message[..., receivers] = _summed(self.sent(x, receiver_width=width), weight)
        return message

    def sent(
        self, x: Float[Tensor, "*batch N"], *, receiver_width: Float[Tensor, ""] | None = None
    ) -> Float[Tensor, "*batch N"]:
        r""":math:`\psi_{ij}(x_j)` of every sender j, for ``pair`` to receivers of one width."""
        function = _FUNCTIONS[self.function]
        if self.transfer == "shared":
            return function(x)
        if self.transfer == "sender":
            return function((x - self.threshold) / self.width)
        assert receiver_width is not None
        linear = self.slope * self.width.log() * x
        return function((x - self.threshold) / receiver_width) - linear

    def to(
        self, *, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """The same equation on another device or in another precision."""
        moved = {
            field.name: value.to(device=device, dtype=dtype)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)

    def _own(
        self, x: Float[Tensor, "*batch N"], response: Float[Tensor, "*batch N"]
    ) -> Float[Tensor, "*batch N"]:
        driven = torch.addcmul(self.offset, self.self_coupling, response)
        return torch.addcmul(driven, self.decay, x, value=-1)

    @cached_property
    def _rows_by_width(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        groups = [(w, (self.width == w).nonzero().squeeze(1)) for w in self.width.unique()]
        return [(width, receivers, self.weight[receivers]) for width, receivers in groups]


def _summed(
    sent: Float[Tensor, "*batch N"], weight: Float[Tensor, "M N"]
) -> Float[Tensor, "*batch M"]:
    """Sum over senders; a single state takes the shorter way through torch."""
    return torch.mv(weight, sent) if sent.ndim == 1 else sent @ weight.T


def assign_types(n_neurons: int, n_types: int) -> Int[np.ndarray, " N"]:
    """Type of each neuron: contiguous equal blocks, the last type taking what is left over."""
    return np.minimum(np.arange(n_neurons) // (n_neurons // n_types), n_types - 1)


def _representatives(
    known: Int[np.ndarray, " N"], types: Int[np.ndarray, " N"] | None
) -> Int[np.ndarray, " N"]:
    """For each neuron one of the recording's neurons that has the type it shall have."""
    if types is None:
        return np.arange(len(known))
    numbers, first = np.unique(known, return_index=True)
    unknown = np.setdiff1d(types, numbers)
    if len(unknown):
        raise ValueError(f"types has {unknown[0]}, but the recording has {numbers.tolist()}")
    return first[np.searchsorted(numbers, types)]
