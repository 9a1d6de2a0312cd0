"""What a simulation knows, as functions of activity. Axes: M rows, N neurons, K types, G grid."""

__all__ = ["Truth"]

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.interpolate import CubicSpline, PPoly

TransferKind = Literal["shared", "sender", "pair"]


@dataclass(frozen=True, kw_only=True)
class Truth:
    r"""True connectivity, types and functions of a recorded network.

    .. math:: \dot x_i = \phi_{k(i)}(x_i) + g_i \sum_{j \ne i} W_{ij}\, \psi_{k(i) k(j)}(x_j)

    with k(i) the type of neuron i. The functions were tabulated where the activity has been and
    a little beyond; cubic splines between the points are exact to about 1e-8 for tanh.

    Attributes:
        weight: W, W[i, j] acting from j on i.
        gain: :math:`g_i` [activity/time unit].
        decay: Rate at which activity decays, 1/tau [1/time unit].
        types: Type of each neuron, 0 .. K - 1.
        kind: What the transfer function depends on.
        update_table: phi of every type; K columns.
        transfer_table: psi of every receiving and sending type; K by K columns.
    """

    weight: Float[np.ndarray, "N N"]
    gain: Float[np.ndarray, " N"]
    decay: Float[np.ndarray, " N"]
    types: Int[np.ndarray, " N"]
    kind: TransferKind
    update_table: CubicSpline
    transfer_table: CubicSpline

    @classmethod
    def from_dataset(cls, truth: xr.Dataset) -> Self:
        """Reads the truth group of a recording.

        Raises:
            ValueError: If a variable is missing or the kind of transfer function is unknown.
        """
        needed = {"weight", "type", "gain", "decay", "update", "transfer", "grid"}
        missing = sorted(needed - set(map(str, truth.variables)))
        kind = truth.attrs.get("transfer_kind")
        if missing or kind not in ("shared", "sender", "pair"):
            raise ValueError(
                f"truth lacks {', '.join(missing) or f'a known transfer_kind (it has {kind!r})'}; "
                "was it written by a simulation of this version?"
            )
        grid = truth["grid"].values
        # Types are numbered by position in the tables, whatever their labels.
        types = np.unique(truth["type"].values, return_inverse=True)[1]
        return cls(
            weight=truth["weight"].transpose("post", "pre").values,
            gain=truth["gain"].values.astype(np.float64),
            decay=truth["decay"].values.astype(np.float64),
            types=types,
            kind=kind,
            update_table=CubicSpline(grid, truth["update"].values.T),
            transfer_table=CubicSpline(grid, np.moveaxis(truth["transfer"].values, -1, 0)),
        )

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.types)

    @property
    def n_types(self) -> int:
        """Number of types K."""
        return self.update_table.c.shape[2]

    def update(self, x: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
        """Evaluates phi of every neuron at its own column of ``x`` [activity/time unit]."""
        values = np.empty(x.shape, dtype=np.float64)
        for own in np.unique(self.types):
            members = self.types == own
            values[:, members] = _column(self.update_table, own)(x[:, members])
        return values

    def transfer(
        self, x: Float[np.ndarray, "M S"], *, receiver: int | None = None
    ) -> Float[np.ndarray, "M S"]:
        """Evaluates psi of every sender at its own column of ``x``, without gain.

        Args:
            x: Activity; for a shared function any number of columns.
            receiver: Type of the receiver; None: the sender's own type.
        """
        if self.kind == "shared":
            return _column(self.transfer_table, 0, 0)(x)
        values = np.empty(x.shape, dtype=np.float64)
        for own in np.unique(self.types):
            members = self.types == own
            column = _column(self.transfer_table, own if receiver is None else receiver, own)
            values[:, members] = column(x[:, members])
        return values


def _column(table: CubicSpline, *index: int) -> PPoly:
    """One function of a table of them."""
    coefficients = table.c[(slice(None), slice(None), *index)]
    return PPoly.construct_fast(np.ascontiguousarray(coefficients), table.x)
