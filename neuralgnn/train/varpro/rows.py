r"""Least squares for rows of W with a spline update function, for fixed transfer function.

Axes: T samples, N senders, I receivers, K spline coefficients, R right-hand sides.

For receiver ``i`` with target ``z``, ``min |z - P w - B_i d|^2`` subject to ``w_i = 0``, where
``P[t, j] = psi(x_j(t))`` is shared by all receivers and ``B_i`` are splines of the receiver's own
activity. With ``G = P'P + ridge``, ``V = G^-1 P'B_i``, ``u = G^-1 P'z`` and ``h = (G^-1)_ii``,
eliminating ``w`` and the multiplier of the constraint leaves a small system for ``d``:

.. math::
    (B_i'B_i - (P'B_i)'V + V_i V_i'/h)\, d = B_i'z - (P'B_i)'u + V_i u_i/h,

    w = u - V d - G^{-1} e_i (u_i - V_i d)/h .

Receivers that share their update function share ``d``: their systems are summed.
"""

__all__ = [
    "Eliminated",
    "GramFactor",
    "RowSystem",
    "lower_gram",
    "solve_row_block",
    "solve_rows",
    "solve_weights",
]

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BLOCK = 1024  # columns of large matrices at a time


@dataclass(frozen=True)
class GramFactor:
    """Cholesky factor of the ridged Gram matrix of the senders' outputs.

    Attributes:
        factor: L, lower triangular, ``L L' = P'P + ridge I``.
        ridge: What was added to the diagonal.
        mean_square: Mean of the diagonal of ``P'P``, the unit of relative ridges.
    """

    factor: Float[Tensor, "N N"]
    ridge: float
    mean_square: float

    @classmethod
    def of(cls, sent: Float[Tensor, "T N"], *, ridge: float) -> "GramFactor":
        """Factors ``P'P + ridge mean(diag) I`` in float64.

        Raises:
            ValueError: If the matrix is not positive definite.
        """
        return cls.of_gram(lower_gram(sent.double()), ridge=ridge, n_samples=len(sent))

    @classmethod
    def of_gram(cls, gram: Float[Tensor, "N N"], *, ridge: float, n_samples: int) -> "GramFactor":
        """Factors a Gram matrix, of which only the lower triangle is read; see :meth:`of`.

        The ridge is added to its diagonal in place.
        """
        mean_square = float(gram.diagonal().mean())
        added = ridge * mean_square + torch.finfo(torch.float64).tiny
        gram.diagonal().add_(added)
        factor, info = torch.linalg.cholesky_ex(gram)
        if info != 0:
            raise ValueError(
                f"the Gram matrix of {n_samples} samples x {len(gram)} neurons is "
                f"singular (minor {int(info)}): use more samples than neurons, a longer "
                "recording, or a larger ridge"
            )
        return cls(factor, added, mean_square)

    def solve(self, columns: Float[Tensor, "N R"]) -> Float[Tensor, "N R"]:
        """The inverse of the ridged Gram matrix times some columns."""
        return torch.cholesky_solve(columns, self.factor)

    def inverse_columns(self, index: Int[Tensor, " I"]) -> Float[Tensor, "N I"]:
        """Some columns of the inverse."""
        return self.solve(_unit_columns(self.factor, index))

    @cached_property
    def inverse(self) -> Float[Tensor, "N N"]:
        """All of the inverse."""
        # Ten times as fast as LAPACK's potri behind torch.cholesky_inverse.
        return self.solve(torch.eye(len(self.factor)).to(self.factor))

    @cached_property
    def inverse_trace(self) -> float:
        """Trace of the inverse."""
        total = 0.0
        for start in range(0, len(self.factor), _BLOCK):
            # The inverse of L is lower triangular too: nothing above the block's first row.
            trailing = self.factor[start:, start:]
            unit = torch.eye(len(trailing), min(_BLOCK, len(trailing))).to(trailing)
            block = torch.linalg.solve_triangular(trailing, unit, upper=False)
            total += float(block.square_().sum())
        return total


class Eliminated:
    """Equations of receivers' spline coefficients alone, their weights being eliminated.

    Args:
        factor: Gram factor of P.
        cross: P'B of each receiver.
        own: B'B of each receiver.
        receivers: Index of each receiver among the senders.

    Attributes:
        information: What is left of B'B.
    """

    def __init__(
        self,
        factor: GramFactor,
        cross: Float[Tensor, "I N K"],
        own: Float[Tensor, "I K K"],
        receivers: Int[Tensor, " I"],
    ) -> None:
        self.factor, self.cross, self.receivers = factor, cross, receivers
        self.index = torch.arange(len(receivers), device=receivers.device)
        self.eliminated = self.inverse_times(cross)  # V, (I, N, K)
        self.own_row = self.eliminated[self.index, receivers]  # V_i, (I, K)
        self.column = factor.inverse_columns(receivers).T  # G^-1 e_i, (I, N)
        self.pivot = self.column[self.index, receivers]  # h, (I,)
        constraint = self.own_row[:, :, None] * self.own_row[:, None, :]
        information = own - cross.mT @ self.eliminated
        self.information = information + constraint / self.pivot[:, None, None]

    def sides(
        self, own: Float[Tensor, "I K R"], moment: Float[Tensor, "I N R"]
    ) -> tuple[Float[Tensor, "I K R"], Float[Tensor, "I N R"]]:
        """Right-hand sides for B'z and P'z, and ``u = G^-1 P'z``."""
        u = self.inverse_times(moment)
        u_own = u[self.index, self.receivers]  # (I, R)
        rhs = own - self.cross.mT @ u
        return rhs + self.own_row[:, :, None] * u_own[:, None, :] / self.pivot[:, None, None], u

    def weights(
        self, u: Float[Tensor, "I N R"], d: Float[Tensor, "I K R"]
    ) -> Float[Tensor, "I N R"]:
        """Weights that belong to spline coefficients."""
        u_own = u[self.index, self.receivers]
        multiplier = (u_own - (self.own_row[:, None, :] @ d)[:, 0]) / self.pivot[:, None]  # (I, R)
        w = u - self.eliminated @ d - self.column[:, :, None] * multiplier[:, None, :]
        w[self.index, self.receivers] = 0
        return w

    def inverse_times(self, columns: Float[Tensor, "I N R"]) -> Float[Tensor, "I N R"]:
        """The inverse of the ridged Gram matrix times columns of each receiver."""
        n_receivers, n_senders, n_columns = columns.shape
        flat = columns.permute(1, 0, 2).reshape(n_senders, -1)
        product = self.factor.solve(flat)
        return product.reshape(n_senders, n_receivers, n_columns).permute(1, 0, 2)


class RowSystem:
    """The least-squares problems of some receivers.

    Args:
        sent: P, outputs of all senders.
        factor: Its Gram factor.
        own: B, splines of each receiver's own activity.
        receivers: Index of each receiver among the senders.
        shared: Whether all receivers have one update function.
    """

    def __init__(
        self,
        sent: Float[Tensor, "T N"],
        factor: GramFactor,
        own: Float[Tensor, "I T K"],
        receivers: Int[Tensor, " I"],
        *,
        shared: bool = False,
    ) -> None:
        self.sent, self.factor, self.own = sent, factor, own
        self.receivers, self.shared = receivers, shared
        self.linear = Eliminated(factor, self._to_senders(own), own.mT @ own, receivers)

    def solve(
        self, target: Float[Tensor, "I T R"]
    ) -> tuple[Float[Tensor, "I N R"], Float[Tensor, "I K R"]]:
        """Weights and spline coefficients for each right-hand side."""
        rhs, u = self.linear.sides(self.own.mT @ target, self._to_senders(target))
        d = self._solve_small(rhs)
        return self.linear.weights(u, d), d

    def residual(
        self,
        target: Float[Tensor, "I T R"],
        w: Float[Tensor, "I N R"],
        d: Float[Tensor, "I K R"],
    ) -> Float[Tensor, "I T R"]:
        """What weights and splines leave unexplained."""
        n_receivers, n_senders, n_sides = w.shape
        flat = w.permute(1, 0, 2).reshape(n_senders, -1)
        sums = (self.sent @ flat).reshape(-1, n_receivers, n_sides).permute(1, 0, 2)
        return target - sums - self.own @ d

    def _solve_small(self, rhs: Float[Tensor, "I K R"]) -> Float[Tensor, "I K R"]:
        schur = self.linear.information
        if self.shared:
            schur, rhs = schur.sum(0, keepdim=True), rhs.sum(0, keepdim=True)
        # Splines beyond the receiver's own range have empty columns: a light ridge sends their
        # coefficients to zero and leaves the others alone.
        scale = schur.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        schur = schur + 1e-9 * scale * torch.eye(
            schur.shape[1], dtype=schur.dtype, device=schur.device
        )
        return torch.linalg.solve(schur, rhs).expand(len(self.receivers), -1, -1)

    def _to_senders(self, columns: Float[Tensor, "I T R"]) -> Float[Tensor, "I N R"]:
        n_receivers, n_samples, n_columns = columns.shape
        flat = columns.permute(1, 0, 2).reshape(n_samples, -1)
        return (self.sent.T @ flat).reshape(-1, n_receivers, n_columns).permute(1, 0, 2)


def lower_gram(sent: Float[Tensor, "T N"]) -> Float[Tensor, "N N"]:
    """``P'P``, of a large network the lower triangle only (rounded up to blocks), zeros above."""
    n_neurons = sent.shape[1]
    if n_neurons <= 2 * _BLOCK:
        return sent.T @ sent
    gram = sent.new_zeros(n_neurons, n_neurons)
    for start in range(0, n_neurons, _BLOCK):
        columns = slice(start, start + _BLOCK)
        torch.mm(sent[:, start:].T, sent[:, columns], out=gram[start:, columns])
    return gram


def _unit_columns(like: Tensor, index: Tensor) -> Tensor:
    columns = like.new_zeros(len(like), len(index))
    columns[index, torch.arange(len(index), device=index.device)] = 1
    return columns


def solve_weights(factor: GramFactor, moments: Float[Tensor, "N N"]) -> Float[Tensor, "N N"]:
    """Rows of W for given messages: ``min |z_i - P w_i|^2`` with ``w_ii = 0``, all at once.

    Args:
        factor: Gram factor of P.
        moments: ``P'z`` of every neuron as receiver.
    """
    everyone = torch.arange(len(moments), device=moments.device)
    return solve_rows(factor, moments, everyone).fill_diagonal_(0)


def solve_rows(
    factor: GramFactor, moments: Float[Tensor, "N I"], receivers: Int[Tensor, " I"]
) -> Float[Tensor, "I N"]:
    """The same for some receivers.

    Args:
        factor: Gram factor of P.
        moments: ``P'z`` of each receiver.
        receivers: Index of each receiver among the senders.
    """
    return _rows(factor.solve(moments), factor.inverse[:, receivers], receivers)


def solve_row_block(
    factor: GramFactor, moments: Float[Tensor, "N I"], receivers: Int[Tensor, " I"]
) -> Float[Tensor, "I N"]:
    """The same as :func:`solve_rows` without all of the inverse, for receivers of one block."""
    both = factor.solve(torch.cat([moments, _unit_columns(factor.factor, receivers)], dim=1))
    return _rows(both[:, : len(receivers)], both[:, len(receivers) :], receivers)


def _rows(
    free: Float[Tensor, "N I"], inverse: Float[Tensor, "N I"], receivers: Int[Tensor, " I"]
) -> Float[Tensor, "I N"]:
    """Rows without a weight of their own, from those with one and columns of the inverse."""
    index = torch.arange(len(receivers), device=receivers.device)
    multiplier = free[receivers, index] / inverse[receivers, index]
    w = (free - inverse * multiplier).T
    w[index, receivers] = 0
    return w
