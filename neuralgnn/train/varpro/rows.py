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

__all__ = ["GramFactor", "RowSystem", "solve_rows", "solve_weights"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class GramFactor:
    """Inverse of the ridged Gram matrix of the senders' outputs."""

    inverse: Float[Tensor, "N N"]

    @classmethod
    def of(cls, sent: Float[Tensor, "T N"], *, ridge: float) -> "GramFactor":
        """Factors ``P'P + ridge mean(diag) I`` in float64.

        Raises:
            ValueError: If the matrix is not positive definite.
        """
        sent = sent.double()
        gram = sent.T @ sent
        gram.diagonal().add_(ridge * gram.diagonal().mean() + torch.finfo(torch.float64).tiny)
        factor, info = torch.linalg.cholesky_ex(gram)
        if info != 0:
            raise ValueError(
                f"the Gram matrix of {sent.shape[0]} samples x {sent.shape[1]} neurons is "
                f"singular (minor {int(info)}): use more samples than neurons, a longer "
                "recording, or a larger ridge"
            )
        # Ten times as fast as LAPACK's potri behind torch.cholesky_inverse.
        return cls(torch.cholesky_solve(torch.eye(len(gram)).to(gram), factor))


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
        index = torch.arange(len(receivers), device=receivers.device)
        self.cross = self._to_senders(own)  # P'B, (I, N, K)
        self.eliminated = self._inverse_times(self.cross)  # V, (I, N, K)
        self.own_row = self.eliminated[index, receivers]  # V_i, (I, K)
        self.pivot = factor.inverse[receivers, receivers]  # h, (I,)
        schur = own.mT @ own - self.cross.mT @ self.eliminated
        schur = (
            schur + self.own_row[:, :, None] * self.own_row[:, None, :] / self.pivot[:, None, None]
        )
        self.schur = schur

    def solve(
        self, target: Float[Tensor, "I T R"]
    ) -> tuple[Float[Tensor, "I N R"], Float[Tensor, "I K R"]]:
        """Weights and spline coefficients for each right-hand side."""
        index = torch.arange(len(self.receivers), device=self.receivers.device)
        u = self._inverse_times(self._to_senders(target))
        u_own = u[index, self.receivers]  # (I, R)
        d = self._solve_small(self._reduced(target, u, u_own))
        multiplier = (u_own - (self.own_row[:, None, :] @ d)[:, 0]) / self.pivot[:, None]  # (I, R)
        column = self.factor.inverse[:, self.receivers].T  # (I, N)
        w = u - self.eliminated @ d - column[:, :, None] * multiplier[:, None, :]
        w[index, self.receivers] = 0
        return w, d

    def update_equations(
        self, target: Float[Tensor, "I T R"]
    ) -> tuple[Float[Tensor, "I K K"], Float[Tensor, "I K R"]]:
        """Normal equations of the spline coefficients alone, the weights being eliminated."""
        index = torch.arange(len(self.receivers), device=self.receivers.device)
        u = self._inverse_times(self._to_senders(target))
        return self.schur, self._reduced(target, u, u[index, self.receivers])

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

    def _reduced(self, target: Tensor, u: Tensor, u_own: Tensor) -> Float[Tensor, "I K R"]:
        rhs = self.own.mT @ target - self.cross.mT @ u
        return rhs + self.own_row[:, :, None] * u_own[:, None, :] / self.pivot[:, None, None]

    def _solve_small(self, rhs: Float[Tensor, "I K R"]) -> Float[Tensor, "I K R"]:
        schur = self.schur
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

    def _inverse_times(self, columns: Float[Tensor, "I N R"]) -> Float[Tensor, "I N R"]:
        n_receivers, n_senders, n_columns = columns.shape
        flat = columns.permute(1, 0, 2).reshape(n_senders, -1)
        product = self.factor.inverse @ flat
        return product.reshape(n_senders, n_receivers, n_columns).permute(1, 0, 2)


def solve_weights(
    sent: Float[Tensor, "T N"], factor: GramFactor, target: Float[Tensor, "T N"]
) -> Float[Tensor, "N N"]:
    """Rows of W for given messages: ``min |z_i - P w_i|^2`` with ``w_ii = 0``, all at once."""
    return solve_rows(
        sent, factor, target, receivers=torch.arange(sent.shape[1], device=sent.device)
    )


def solve_rows(
    sent: Float[Tensor, "T N"],
    factor: GramFactor,
    target: Float[Tensor, "T I"],
    *,
    receivers: Int[Tensor, " I"],
) -> Float[Tensor, "I N"]:
    """The same for some receivers."""
    index = torch.arange(len(receivers), device=receivers.device)
    u = (factor.inverse @ (sent.T @ target)).T  # (I receivers, N senders)
    multiplier = u[index, receivers] / factor.inverse.diagonal()[receivers]
    w = u - multiplier[:, None] * factor.inverse[receivers]
    w[index, receivers] = 0
    return w
