"""Samples of a search of transfer functions. Axes as in ``rows``; C coefficients, G groups."""

__all__ = ["SearchData", "members_of"]

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.splines import SplineBasis

_CACHE_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 28
_TABLE_POINTS = 1 << 15  # linear between them, splines are off by 1e-6 of their size
_FEW = 64  # frames whose tabulated splines stay in a cache


class SearchData:
    """Samples of one search: activity of all senders, targets of some receivers.

    Args:
        x: Activity of all neurons.
        y: Rates of change of the receivers [activity/time unit].
        receivers: Index of each receiver.
        transfer_basis: Splines of psi.
        update_basis: Splines of phi.
        groups: Group of each sender, 0 .. G - 1; None: all are in one.
        shared_update: Whether all receivers have one update function.
        ridge: Ridge on W relative to the mean diagonal of the Gram matrix; None: by evidence.
    """

    def __init__(
        self,
        x: Float[Tensor, "T N"],
        y: Float[Tensor, "T I"],
        receivers: Int[Tensor, " I"],
        *,
        transfer_basis: SplineBasis,
        update_basis: SplineBasis,
        groups: Int[Tensor, " N"] | None = None,
        shared_update: bool = False,
        ridge: float | None = None,
    ) -> None:
        self.x, self.receivers, self.basis = x, receivers, transfer_basis
        self.target = y.T[:, :, None].double()  # (I, T, 1)
        self.own = update_basis(x[:, receivers].T.double()).permute(1, 2, 0)  # (I, T, K)
        # Of one group a slice, which copies nothing.
        self.members: list[Any] = [slice(None)] if groups is None else members_of(groups)
        self.shared_update, self.ridge = shared_update, ridge
        self.variance = float(self.target.var())
        self.total = self.target.numel() * self.variance
        frame_bytes = x.shape[1] * transfer_basis.size * x.element_size()
        self._block = max(1, _BLOCK_BYTES // frame_bytes)
        self._cached = frame_bytes * len(x) <= _CACHE_BYTES
        self._cache: dict[int, Tensor] = {}
        zero = torch.zeros(1, dtype=torch.float64, device=x.device)
        self.at_zero = transfer_basis(zero)[:, 0]  # (C,)

    def normalised(self, c: Float[Tensor, "*G C"]) -> Float[Tensor, "*G C"]:
        """The same functions in the gauge of this search: psi(0) = 0, mean square 1, rising."""
        shape, c = c.shape, c.reshape(-1, self.basis.size)  # (G, C)
        c = c - (c @ self.at_zero)[:, None]  # splines sum to one, so this subtracts constants
        second_moment, slope = self._moments
        scale = torch.einsum("gk,gkl,gl->g", c, second_moment, c).sqrt()
        rising = (slope * c).sum(1) >= 0
        return (c / (scale * torch.where(rising, 1.0, -1.0))[:, None]).reshape(shape)

    def tangent(self, c: Float[Tensor, "*G C"]) -> Float[Tensor, "GC D"]:
        """Orthonormal directions in which normalised functions keep psi(0) and their mean square.

        Without them a step is half as long as it seems: of psi twice as high and W half as large
        the penalty of the ridge is lower, so Gauss-Newton adds psi itself to every step, and
        normalising divides what is new in it by two.
        """
        functions = c.reshape(-1, self.basis.size)  # (G, C)
        heights = torch.einsum("gkl,gl->gk", self._moments[0], functions)
        kept = [torch.block_diag(*heights), torch.block_diag(*self.at_zero.expand_as(functions))]
        complete = torch.linalg.qr(torch.cat(kept).T, mode="complete").Q
        return complete[:, 2 * len(functions) :]

    def sent(self, c: Float[Tensor, "*G C"]) -> Float[Tensor, "T N"]:
        """Output psi(x) of every sample."""
        functions = c.reshape(-1, self.basis.size)  # (G, C)
        if not self._cached:
            return self._sent_anew(functions)
        parts = []
        for block, basis in self._blocks():
            sent = torch.empty_like(block)
            for own, members in zip(functions.to(block), self.members, strict=True):
                values = (own @ basis[:, :, members].flatten(1)).reshape(len(block), -1)
                sent[:, members] = values
            parts.append(sent)
        return torch.cat(parts).double()

    def sensitivities(self, w: Float[Tensor, "I N"]) -> Float[Tensor, "I T GC"]:
        """Sum over a group's senders of W_ij B_k(x_j), of every receiver, group by group."""
        weights = w.T.to(self.x.dtype)
        if not self._cached:
            return self._sensitivities_anew(weights)
        parts = [
            torch.cat([basis[:, :, members] @ weights[members] for members in self.members])
            for _, basis in self._blocks()
        ]  # (GC, t, I) each
        return torch.cat(parts, dim=1).permute(2, 1, 0).double().contiguous()

    def _sent_anew(self, functions: Float[Tensor, "G C"]) -> Float[Tensor, "T N"]:
        sent = torch.empty_like(self.x, dtype=torch.float64)
        for start in range(0, len(self.x), _FEW):
            rows = slice(start, start + _FEW)
            for own, members in zip(functions, self.members, strict=True):
                sent[rows, members] = self.basis.value(own, self.x[rows, members]).double()
        return sent

    def _sensitivities_anew(self, weights: Float[Tensor, "N I"]) -> Float[Tensor, "I T GC"]:
        table = self.basis.table(_TABLE_POINTS, dtype=weights.dtype).to(weights.device)
        parts = []
        for block in self.x.split(_FEW):
            basis = self.basis.from_table(table, block)  # (t, N, C)
            groups = [basis[:, members].mT @ weights[members] for members in self.members]
            parts.append(torch.cat(groups, dim=1))
        return torch.cat(parts).permute(2, 0, 1).double().contiguous()

    def _blocks(self) -> Iterator[tuple[Float[Tensor, "t N"], Float[Tensor, "C t N"]]]:
        for start in range(0, len(self.x), self._block):
            block = self.x[start : start + self._block]
            basis = self._cache.get(start)
            if basis is None:
                basis = self.basis(block)
                if self._cached:
                    self._cache[start] = basis
            yield block, basis

    @cached_property
    def _moments(self) -> tuple[Float[Tensor, "G C C"], Float[Tensor, "G C"]]:
        """Mean of B_k B_l, and of B_k (x - mean), over the samples of each group."""
        n_groups, size = len(self.members), self.basis.size
        second = self.x.new_zeros(n_groups, size, size, dtype=torch.float64)
        slope = self.x.new_zeros(n_groups, size, dtype=torch.float64)
        centre = self.x.mean()
        for block, basis in self._blocks():
            for group, members in enumerate(self.members):
                flat = basis[:, :, members].flatten(1)
                second[group] += (flat @ flat.T).double()
                slope[group] += (flat @ (block[:, members] - centre).flatten()).double()
        count = [self.x[:, members].numel() for members in self.members]
        n_samples = torch.tensor(count, dtype=torch.float64, device=self.x.device)
        return second / n_samples[:, None, None], slope / n_samples[:, None]


def members_of(groups: Int[Tensor, " N"]) -> list[Int[Tensor, " I"]]:
    """Neurons of each group."""
    return [(groups == group).nonzero()[:, 0] for group in range(int(groups.max()) + 1)]
