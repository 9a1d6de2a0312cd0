r"""Search of transfer functions by variable projection. Axes as in ``rows``; C coefficients.

For spline coefficients ``c`` of psi, all weights and update functions of the receivers are
solved for, so the residual ``r(c)`` depends on ``c`` alone. Its Jacobian is, after Kaufman,

.. math:: \partial r_i / \partial c_k = -\Pi_i \sum_j W_{ij} B_k(x_j),

``Pi_i`` projecting out what the solve can explain. Gauss-Newton steps with Levenberg-Marquardt
damping on it need some ten iterations where gradient methods need hundreds.

The ridge on W is part of the problem: unless it is given, it starts large and is lowered step by
step to what the evidence asks for (``evidence``). Without it a short recording, whose Gram matrix
has directions with hardly any signal, is explained by enormous weights on a wrong psi.

Senders may come in G groups, each with a psi of its own: ``c`` then holds the coefficients of all
groups, one row each, and a sum over the senders is one over those of k's group.

Scale and offset of psi are free (gauge): after every step psi(0) = 0 and its mean square over the
activity that its senders visit is 1.

Source: Golub and Pereyra 1973; Kaufman 1975; MacKay 1992.
"""

__all__ = ["SearchData", "SearchState", "held_out_error", "search_transfer", "start_coefficients"]

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.train.varpro.evidence import evidence_ridge, raised_ridge
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, lower_gram
from neuralgnn.train.varpro.splines import SplineBasis

_CACHE_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 28
_TABLE_POINTS = 1 << 15  # linear between them, splines are off by 1e-6 of their size
_FEW = 64  # frames whose tabulated splines stay in a cache
_MIN_DAMPING = 1e-12
_MAX_ATTEMPTS = 8
_NOTHING = 1e-3  # share of the objective that no solve is worth
_PATIENCE = 3  # steps without progress that end a search
_RIDGE_STEP = 4.0  # largest factor that the ridge falls by between steps
_RIDGE_TOLERANCE = 0.05
_KEPT = 0.95  # of the residuals on held-out time


@dataclass(frozen=True)
class SearchState:
    """Where a search stands: enough to continue it identically."""

    coefficients: NDArray[np.float64]  # (C,), or (G, C) of groups
    damping: float = 1e-8
    iteration: int = 0
    loss: float = float("inf")
    ridge: float = 1e-2  # relative
    best_loss: float = float("inf")
    n_stalled: int = 0
    done: bool = False


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
        self.members = _members(groups)
        self.shared_update, self.ridge = shared_update, ridge
        self.variance = float(self.target.var())
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


def _members(groups: Tensor | None) -> list[Any]:
    """What picks the senders of each group; a slice where it is all of them, to copy nothing."""
    if groups is None:
        return [slice(None)]
    return [(groups == group).nonzero()[:, 0] for group in range(int(groups.max()) + 1)]


@dataclass(frozen=True)
class _Point:
    """The reduced problem solved at some coefficients."""

    c: Tensor
    sent: Tensor  # (T, N)
    gram: Tensor  # (N, N), without ridge
    system: RowSystem
    w: Tensor  # (I, N)
    residual: Tensor  # (I, T, 1)
    loss: float  # the residual's share of the targets' variance
    objective: float  # the same with the ridge's penalty
    unit: float  # the targets' sum of squares
    ridge: float  # relative


def search_transfer(
    data: SearchData,
    state: SearchState,
    *,
    max_iterations: int,
    tolerance: float = 1e-2,
    on_iteration: Callable[[SearchState], None] = lambda state: None,
) -> SearchState:
    """Improves spline coefficients of psi until the residual stops falling.

    Args:
        data: Samples.
        state: Where to start or to go on.
        max_iterations: Upper bound of the iteration count.
        tolerance: Relative decrease of the loss that a few steps must reach to go on.
        on_iteration: Called with the state after every step, to log and to save it.

    Returns:
        The last state; its loss is the residual's share of the targets' variance.
    """
    c = torch.as_tensor(state.coefficients, device=data.x.device)
    # Coefficients of a resumed search are normalised; doing it again would change their last bit.
    point = _solve(data, data.normalised(c) if state.iteration == 0 else c, _ridge(data, state))
    while not state.done and state.iteration < max_iterations:
        before = point.ridge
        point = _with_ridge(data, point)
        falls = point.ridge < before
        stepped = _step(data, point, state.damping)
        point, damping = stepped or (point, state.damping)
        better = point.loss < (1 - tolerance) * state.best_loss
        n_stalled = 0 if better else state.n_stalled + 1
        state = SearchState(
            coefficients=point.c.cpu().numpy(),
            damping=damping,
            iteration=state.iteration + 1,
            loss=point.loss,
            ridge=point.ridge,
            best_loss=min(state.best_loss, point.loss),
            n_stalled=n_stalled,
            done=(stepped is None and not falls) or n_stalled >= _PATIENCE,
        )
        on_iteration(state)
    return replace(state, loss=point.loss, coefficients=point.c.cpu().numpy(), ridge=point.ridge)


def held_out_error(data: SearchData, fitted: SearchState, test: SearchData) -> float:
    """Residual share on other samples, with weights and update functions of the fitted ones.

    The largest residuals are left out: a neuron that for some frames is further out than it ever
    was in the fitted ones is where no spline knows anything, and would decide alone.
    """
    c = torch.as_tensor(fitted.coefficients, device=data.x.device)
    point = _solve(data, c, _ridge(data, fitted))
    _, d = point.system.solve(data.target)
    residual = test.target - (test.sent(point.c) @ point.w.T).T[:, :, None] - test.own @ d
    squares = residual.square().flatten().sort().values
    return float(squares[: math.ceil(_KEPT * len(squares))].mean() / test.variance)


def start_coefficients(basis: SplineBasis, *, shape: str, scale: float) -> NDArray[np.float64]:
    """Coefficients of a starting guess of psi: ``linear``, ``saturating`` or ``rectifying``."""
    grid = np.linspace(basis.knots[0], basis.knots[-1], 2001)
    u = grid / scale
    shapes = {"linear": u, "saturating": u / (1 + np.abs(u)), "rectifying": np.maximum(u, 0)}
    return basis.project(grid, shapes[shape])


def _ridge(data: SearchData, state: SearchState) -> float:
    return state.ridge if data.ridge is None else data.ridge


def _solve(data: SearchData, c: Tensor, ridge: float, *, same: _Point | None = None) -> _Point:
    """The problem solved at some coefficients; ``same`` has them already, with another ridge."""
    sent = data.sent(c) if same is None else same.sent
    gram = lower_gram(sent) if same is None else same.gram
    factor = GramFactor.of_gram(gram.clone(), ridge=ridge, n_samples=len(sent))
    system = RowSystem(sent, factor, data.own, data.receivers, shared=data.shared_update)
    w, d = system.solve(data.target)
    residual = system.residual(data.target, w, d)
    unit = residual.numel() * data.variance
    loss = float(residual.square().sum()) / unit
    objective = loss + factor.ridge * float(w.square().sum()) / unit
    return _Point(c, sent, gram, system, w[..., 0], residual, loss, objective, unit, ridge)


def _with_ridge(data: SearchData, point: _Point) -> _Point:
    """The same psi with the ridge that the evidence asks for, or one nearer to it if lower."""
    if data.ridge is not None:
        return point

    def wanted(point: _Point) -> float:
        return evidence_ridge(
            point.system.factor,
            n_samples=len(data.x),
            n_receivers=len(data.receivers),
            squared_residuals=float(point.residual.square().sum()),
            squared_weights=float(point.w.square().sum()),
        )

    def solved(ridge: float) -> _Point:
        return _solve(data, point.c, ridge, same=point)

    lower = max(wanted(point), point.ridge / _RIDGE_STEP)
    if lower > (1 - _RIDGE_TOLERANCE) * point.ridge:
        return raised_ridge(point.ridge, point, wanted=wanted, solved=solved)[1]
    return solved(lower)


def _step(data: SearchData, point: _Point, damping: float) -> tuple[_Point, float] | None:
    """One damped Gauss-Newton step; None when none gains anything, by forecast or by trial."""
    columns = data.sensitivities(point.w)
    w, d = point.system.solve(columns)
    projected = point.system.residual(columns, w, d)  # (I, T, C)
    hessian = torch.einsum("itk,itl->kl", projected, projected)
    hessian += point.system.factor.ridge * torch.einsum("ink,inl->kl", w, w)
    # Equal to the projected columns' product with residual and penalty, which both are
    # orthogonal to what the solve can explain.
    gradient = torch.einsum("itk,it->k", columns, point.residual[..., 0])
    diagonal = hessian.diagonal().clamp_min(1e-12 * hessian.diagonal().max())
    tangent = data.tangent(point.c)
    for attempt in range(_MAX_ATTEMPTS):
        damped = tangent.T @ (hessian + damping * torch.diag(diagonal)) @ tangent
        shift = tangent @ torch.linalg.solve(damped, tangent.T @ gradient)
        if attempt == 0 and float(gradient @ shift) < _NOTHING * point.objective * point.unit:
            return None
        candidate = _solve(data, data.normalised(point.c + shift.view_as(point.c)), point.ridge)
        if candidate.objective < point.objective:
            return candidate, max(damping / 5, _MIN_DAMPING) if attempt == 0 else damping
        del candidate  # of large networks no more than two fit the memory
        damping = max(damping, _MIN_DAMPING) * 10
    return None
