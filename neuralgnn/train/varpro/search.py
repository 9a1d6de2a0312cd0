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
activity that its senders visit is 1. Steps keep to the directions that change neither
(:meth:`SearchData.tangent`).

Source: Golub and Pereyra 1973; Kaufman 1975; MacKay 1992.
"""

__all__ = ["SearchState", "held_out_error", "search_transfer", "start_coefficients"]

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.train.varpro.evidence import evidence_ridge, raised_ridge
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, lower_gram
from neuralgnn.train.varpro.search_data import SearchData
from neuralgnn.train.varpro.splines import SplineBasis

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
    loss = float(residual.square().sum()) / data.total
    objective = loss + factor.ridge * float(w.square().sum()) / data.total
    return _Point(c, sent, gram, system, w[..., 0], residual, loss, objective, ridge)


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
        if attempt == 0 and float(gradient @ shift) < _NOTHING * point.objective * data.total:
            return None
        candidate = _solve(data, data.normalised(point.c + shift.view_as(point.c)), point.ridge)
        if candidate.objective < point.objective:
            return candidate, max(damping / 5, _MIN_DAMPING) if attempt == 0 else damping
        del candidate  # of large networks no more than two fit the memory
        damping = max(damping, _MIN_DAMPING) * 10
    return None
