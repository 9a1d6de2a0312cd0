r"""Search of transfer functions by variable projection. Axes as in ``rows``; C coefficients.

For spline coefficients ``c`` of psi, all weights and update functions of the receivers are
solved for, so the residual ``r(c)`` depends on ``c`` alone. Its Jacobian is, after Kaufman,

.. math:: \partial r_i / \partial c_k = -\Pi_i \sum_j W_{ij} B_k(x_j),

``Pi_i`` projecting out what the solve can explain. Gauss-Newton steps with Levenberg-Marquardt
damping on it need some ten iterations where gradient methods need hundreds.

Senders come in G groups, each with a psi of its own: one group for a psi that all share. ``k``
then runs over the coefficients of all groups, and the sum over the senders of k's group.

Scale and offset of psi are free (gauge): after every step psi(0) = 0 and its mean square over the
activity that its senders visit is 1.

Source: Golub and Pereyra 1973; Kaufman 1975.
"""

__all__ = ["SearchData", "SearchState", "held_out_error", "search_transfer", "start_coefficients"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.train.varpro.rows import GramFactor, RowSystem
from neuralgnn.train.varpro.splines import SplineBasis

_CACHE_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 28
_MIN_DAMPING = 1e-9
_MAX_ATTEMPTS = 8


@dataclass(frozen=True)
class SearchState:
    """Where a search stands: enough to continue it identically."""

    coefficients: NDArray[np.float64]  # (G, C)
    damping: float = 1e-8
    iteration: int = 0
    loss: float = float("inf")
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
        ridge: Ridge on W relative to the mean diagonal of the Gram matrix.
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
        ridge: float = 1e-10,
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

    def normalised(self, c: Float[Tensor, "G C"]) -> Float[Tensor, "G C"]:
        """The same functions in the gauge of this search: psi(0) = 0, mean square 1, rising."""
        c = c - (c @ self.at_zero)[:, None]  # splines sum to one, so this subtracts constants
        second_moment, slope = self._moments
        scale = torch.einsum("gk,gkl,gl->g", c, second_moment, c).sqrt()
        rising = (slope * c).sum(1) >= 0
        return c / (scale * torch.where(rising, 1.0, -1.0))[:, None]

    def sent(self, c: Float[Tensor, "G C"]) -> Float[Tensor, "T N"]:
        """Output psi(x) of every sample."""
        weights = c.to(self.x.dtype)
        parts = []
        for block, basis in self._blocks():
            sent = torch.empty_like(block)
            for own, members in zip(weights, self.members, strict=True):
                values = (own @ basis[:, :, members].flatten(1)).reshape(len(block), -1)
                sent[:, members] = values
            parts.append(sent)
        return torch.cat(parts).double()

    def sensitivities(self, w: Float[Tensor, "I N"]) -> Float[Tensor, "I T GC"]:
        """Sum over a group's senders of W_ij B_k(x_j), of every receiver, group by group."""
        weights = w.T.to(self.x.dtype)
        parts = [
            torch.cat([basis[:, :, members] @ weights[members] for members in self.members])
            for _, basis in self._blocks()
        ]  # (GC, t, I) each
        return torch.cat(parts, dim=1).permute(2, 1, 0).double().contiguous()

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
    system: RowSystem
    w: Tensor  # (I, N)
    residual: Tensor  # (I, T, 1)
    loss: float


def search_transfer(
    data: SearchData,
    state: SearchState,
    *,
    max_iterations: int,
    tolerance: float = 1e-3,
    on_iteration: Callable[[SearchState], None] = lambda state: None,
) -> SearchState:
    """Improves spline coefficients of psi until the residual stops falling.

    Args:
        data: Samples.
        state: Where to start or to go on.
        max_iterations: Upper bound of the iteration count.
        tolerance: Relative decrease of the loss below which the search ends.
        on_iteration: Called with the state after every step, to log and to save it.

    Returns:
        The last state; its loss is the residual's share of the targets' variance.
    """
    c = torch.as_tensor(state.coefficients, device=data.x.device)
    # Coefficients of a resumed search are normalised; doing it again would change their last bit.
    point = _solve(data, data.normalised(c) if state.iteration == 0 else c)
    while not state.done and state.iteration < max_iterations:
        step = _step(data, point, state.damping)
        if step is None:
            state = replace(state, iteration=state.iteration + 1, done=True, loss=point.loss)
        else:
            decrease = 1 - step[0].loss / point.loss
            point, damping = step
            state = SearchState(
                coefficients=point.c.cpu().numpy(),
                damping=damping,
                iteration=state.iteration + 1,
                loss=point.loss,
                done=decrease < tolerance,
            )
        on_iteration(state)
    return replace(state, loss=point.loss, coefficients=point.c.cpu().numpy())


def held_out_error(data: SearchData, fitted: SearchState, test: SearchData) -> float:
    """Residual share on other samples, with weights and update functions of the fitted ones."""
    c = torch.as_tensor(fitted.coefficients, device=data.x.device)
    point = _solve(data, c)
    _, d = point.system.solve(data.target)
    residual = test.target - (test.sent(point.c) @ point.w.T).T[:, :, None] - test.own @ d
    return float(residual.square().mean() / test.variance)


def start_coefficients(basis: SplineBasis, *, shape: str, scale: float) -> NDArray[np.float64]:
    """Coefficients ``(1, C)`` of a starting psi: ``linear``, ``saturating`` or ``rectifying``."""
    grid = np.linspace(basis.knots[0], basis.knots[-1], 2001)
    u = grid / scale
    shapes = {"linear": u, "saturating": u / (1 + np.abs(u)), "rectifying": np.maximum(u, 0)}
    return basis.project(grid, shapes[shape])[None]


def _solve(data: SearchData, c: Tensor) -> _Point:
    sent = data.sent(c)
    factor = GramFactor.of(sent, ridge=data.ridge)
    system = RowSystem(sent, factor, data.own, data.receivers, shared=data.shared_update)
    w, d = system.solve(data.target)
    residual = system.residual(data.target, w, d)
    loss = float(residual.square().mean()) / data.variance
    return _Point(c, system, w[..., 0], residual, loss)


def _step(data: SearchData, point: _Point, damping: float) -> tuple[_Point, float] | None:
    """One damped Gauss-Newton step; None when no damping up to the largest lowers the loss."""
    columns = data.sensitivities(point.w)
    projected = point.system.residual(columns, *point.system.solve(columns))  # (I, T, C)
    hessian = torch.einsum("itk,itl->kl", projected, projected)
    gradient = torch.einsum("itk,it->k", projected, point.residual[..., 0])
    diagonal = hessian.diagonal().clamp_min(1e-12 * hessian.diagonal().max())
    for attempt in range(_MAX_ATTEMPTS):
        shift = torch.linalg.solve(hessian + damping * torch.diag(diagonal), gradient)
        candidate = _solve(data, data.normalised(point.c + shift.view_as(point.c)))
        if candidate.loss < point.loss:
            return candidate, damping / 5 if attempt == 0 else damping
        damping = max(damping, _MIN_DAMPING) * 10
    return None
