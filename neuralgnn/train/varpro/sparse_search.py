r"""Search of the transfer function on a sparse graph. Axes: R receivers, T frames, N neurons.

Within: B receivers of a batch, K messages of each, C coefficients of g at its knots.

Some receivers are enough to find the one g that all senders share. For given coefficients each
receiver's weights, leak, drive and gain are solved for from its own in-edges, so the residual
depends on g alone; Gauss-Newton steps with Levenberg-Marquardt damping on

.. math:: \partial r_i / \partial c_k = -\Pi_i \sum_e w_e B_k(v_{j(e)}),

``Pi_i`` projecting out what the solve can explain. Receivers count by residual over variance, so
that quiet ones have a say.

Scale and offset of g are free (gauge): g(0) = 0, rising, and what a neuron sends has variance 1
over time, on average. Differences between neurons do not count: the level at which one stays is
free too, being no other than a drive of those that hear it.

A curve that is steep where hardly any activity goes and flat elsewhere is a trap: large weights
make up for it. So a ridge on messages in absolute units, the blur, first forbids large weights and
is then taken away in steps.

Source: Golub and Pereyra 1973; Kaufman 1975.
"""

__all__ = [
    "CurveState",
    "SparseSearchData",
    "held_out_error",
    "search_sparse_transfer",
    "start_values",
]

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.data.graph import Graph
from neuralgnn.models.place import side_by_side
from neuralgnn.train.varpro.hats import Hats

_MIN_DAMPING = 1e-9
_MAX_ATTEMPTS = 8
_OWN_RIDGE = 1e-12
_BLURS = (1e-2, 1e-4, 1e-6, 0.0)
_ENOUGH = 0.1  # relative decrease of the loss below which a blur gives way to the next


@dataclass(frozen=True)
class CurveState:
    """Where a search stands: enough to continue it identically."""

    coefficients: NDArray[np.float64]  # (C,)
    damping: float = 1.0
    iteration: int = 0
    loss: float = float("inf")
    blur: int = 0  # place in the list of blurs
    done: bool = False


@dataclass(frozen=True)
class _Batch:
    """Receivers of one padded in-degree."""

    senders: Int[Tensor, "B K"]  # rows of the activity
    real: Float[Tensor, "B K"]  # 0: padding
    own: Float[Tensor, "B T O"]  # 1, v_i, I_i: what needs no transfer function
    target: Float[Tensor, "B T"]  # of mean 0 and variance 1
    mean: Float[Tensor, "B 1"]
    deviation: Float[Tensor, "B 1"]


class SparseSearchData:
    """Samples of one search: some receivers, and all that they hear.

    Args:
        x: Activity of all neurons.
        y: Rates of change of all neurons [activity/time unit].
        external: External input of all neurons.
        graph: Edges.
        receivers: Neurons whose rates are explained.
        hats: Basis of g.
        ridge: Ridge on messages, relative to a column of unit variance.
    """

    def __init__(
        self,
        x: Float[Tensor, "T N"],
        y: Float[Tensor, "T N"],
        external: Float[Tensor, "T N"],
        *,
        graph: Graph,
        receivers: Int[np.ndarray, " R"],
        hats: Hats,
        ridge: float,
    ) -> None:
        self.hats, self.ridge, self.n_receivers = hats, ridge, len(receivers)
        in_edges = [graph.in_edges(int(receiver)) for receiver in receivers]
        heard = np.unique(np.concatenate([graph.pre[edges] for edges in in_edges]))
        self.x = x[:, torch.as_tensor(heard)].T.double().contiguous()  # (S, T)
        self.piece, self.share = hats.place(self.x)
        self.batches = []
        order = np.argsort([len(edges) for edges in in_edges], kind="stable")
        for rows in np.array_split(order, max(1, len(order) // 8)):
            width = max(len(in_edges[row]) for row in rows)
            senders = np.zeros((len(rows), width), dtype=np.int64)
            real = np.zeros((len(rows), width))
            for place, row in enumerate(rows):
                found = np.searchsorted(heard, graph.pre[in_edges[row]])
                senders[place, : len(found)], real[place, : len(found)] = found, 1
            chosen = torch.as_tensor(receivers[rows])
            rate = y[:, chosen].T.double()
            mean = rate.mean(1, keepdim=True)
            deviation = rate.std(1, correction=0, keepdim=True).clamp_min(1e-12)
            own = [torch.ones_like(rate), x[:, chosen].T.double(), external[:, chosen].T.double()]
            self.batches.append(
                _Batch(
                    torch.as_tensor(senders).to(x.device),
                    torch.as_tensor(real).to(x.device),
                    torch.stack(own, dim=-1),
                    (rate - mean) / deviation,
                    mean,
                    deviation,
                )
            )
        piece, share = hats.place(torch.zeros(1, dtype=torch.float64, device=x.device))
        self._zero = (piece[0], share[0])

    def sent(self, c: Float[Tensor, " C"]) -> Float[Tensor, "S T"]:
        """What the heard neurons send."""
        return torch.lerp(c[self.piece], c[self.piece + 1], self.share)

    def normalised(self, c: Float[Tensor, " C"]) -> Float[Tensor, " C"]:
        """The same function in the gauge of this search."""
        piece, share = self._zero
        c = c - torch.lerp(c[piece], c[piece + 1], share)
        sent = self.sent(c)
        changes = sent - sent.mean(1, keepdim=True)
        rising = (changes * self.x).sum() >= 0
        return c / changes.square().mean().sqrt() * (1.0 if rising else -1.0)


@dataclass(frozen=True)
class _Solved:
    """One batch solved at some coefficients."""

    columns: Float[Tensor, "B T P"]
    inverse: Float[Tensor, "B P P"]  # of the ridged Gram matrix
    coefficients: Float[Tensor, "B P"]
    residual: Float[Tensor, "B T"]


@dataclass(frozen=True)
class _Point:
    c: Tensor
    solved: list[_Solved]
    loss: float


def search_sparse_transfer(
    data: SparseSearchData,
    state: CurveState,
    *,
    max_iterations: int,
    tolerance: float = 1e-3,
    on_iteration: Callable[[CurveState], None] = lambda state: None,
) -> CurveState:
    """Improves the values of g at its knots until the residual stops falling.

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
    c = data.normalised(c) if state.iteration == 0 else c
    point = _solve(data, c, _BLURS[state.blur])
    while not state.done and state.iteration < max_iterations:
        last = state.blur == len(_BLURS) - 1
        step = _step(data, point, state.damping, _BLURS[state.blur])
        decrease, damping = 0.0, state.damping
        if step is not None:
            decrease = 1 - step[0].loss / point.loss
            point, damping = step
        state = CurveState(
            coefficients=point.c.cpu().numpy(),
            damping=damping,
            iteration=state.iteration + 1,
            loss=point.loss,
            blur=state.blur if last or decrease >= _ENOUGH else state.blur + 1,
            done=last and decrease < tolerance,
        )
        if not last and decrease < _ENOUGH:
            point = _solve(data, point.c, _BLURS[state.blur])
        on_iteration(state)
    return replace(state, loss=point.loss, coefficients=point.c.cpu().numpy())


def held_out_error(data: SparseSearchData, fitted: CurveState, test: SparseSearchData) -> float:
    """Residual share on other frames, with everything solved for on the fitted ones."""
    point = _solve(data, torch.as_tensor(fitted.coefficients, device=data.x.device), 0.0)
    sent, total = test.sent(point.c), 0.0
    for own, batch, solved in zip(data.batches, test.batches, point.solved, strict=True):
        predicted = (_columns(batch, sent) @ solved.coefficients[:, :, None])[..., 0]
        rate = batch.target * batch.deviation + batch.mean
        error = rate - (predicted * own.deviation + own.mean)
        total += float((error / batch.deviation).square().mean(1).sum())
    return total / test.n_receivers


def start_values(hats: Hats, *, shape: str, scale: float) -> NDArray[np.float64]:
    """Values at the knots of a guess of g: ``linear``, ``saturating`` or ``rectifying``."""
    u = hats.knots / scale
    shapes = {"linear": u, "saturating": u / (1 + np.abs(u)), "rectifying": np.maximum(u, 0)}
    return shapes[shape]


def _columns(batch: _Batch, sent: Tensor) -> Float[Tensor, "B T P"]:
    messages = sent[batch.senders] * batch.real[..., None]  # (B, K, T)
    return torch.cat([batch.own, messages.mT], dim=-1)


def _solve(data: SparseSearchData, c: Tensor, blur: float) -> _Point:
    sent = data.sent(c)
    solved = side_by_side(
        lambda batch: _solve_batch(batch, sent, data.ridge, blur),
        data.batches,
    )
    total = sum(float(each.residual.square().mean(1).sum()) for each in solved)
    return _Point(c, solved, total / data.n_receivers)


def _solve_batch(batch: _Batch, sent: Tensor, ridge: float, blur: float) -> _Solved:
    columns = _columns(batch, sent)
    n_frames, n_own = columns.shape[1], batch.own.shape[-1]
    gram = columns.mT @ columns / n_frames
    diagonal = gram.diagonal(dim1=1, dim2=2)
    scale = torch.where(diagonal > 1e-12, diagonal, 1.0).sqrt()
    shape = gram / (scale[:, :, None] * scale[:, None, :])
    penalty = ridge + blur / scale.square()
    penalty[:, :n_own] = _OWN_RIDGE
    penalty[diagonal <= 1e-12] = 1.0
    inverse = torch.linalg.inv(shape + torch.diag_embed(penalty))
    inverse = inverse / (scale[:, :, None] * scale[:, None, :])
    moment = columns.mT @ batch.target[..., None] / n_frames
    b = (inverse @ moment)[..., 0]
    return _Solved(columns, inverse, b, batch.target - (columns @ b[..., None])[..., 0])


def _step(
    data: SparseSearchData, point: _Point, damping: float, blur: float
) -> tuple[_Point, float] | None:
    """One damped Gauss-Newton step; None when no damping up to the largest lowers the loss."""

    def derivatives(part: tuple[_Batch, _Solved]) -> tuple[Tensor, Tensor]:
        batch, solved = part
        sensitivity = _sensitivity(data, batch, solved.coefficients[:, batch.own.shape[-1] :])
        explained = solved.inverse @ (solved.columns.mT @ sensitivity / sensitivity.shape[1])
        projected = sensitivity - solved.columns @ explained  # (B, T, C)
        flat = projected.flatten(0, 1)
        return flat.T @ flat, flat.T @ solved.residual.flatten()

    parts = side_by_side(derivatives, zip(data.batches, point.solved, strict=True))
    hessian, gradient = (torch.stack(each).sum(0) for each in zip(*parts, strict=True))
    diagonal = hessian.diagonal().clamp_min(1e-12 * hessian.diagonal().max())
    for attempt in range(_MAX_ATTEMPTS):
        shift = torch.linalg.solve(hessian + damping * torch.diag(diagonal), gradient)
        candidate = _solve(data, data.normalised(point.c + shift), blur)
        if candidate.loss < point.loss:
            return candidate, damping / 5 if attempt == 0 else damping
        damping = max(damping, _MIN_DAMPING) * 10
    return None


def _sensitivity(
    data: SparseSearchData, batch: _Batch, weights: Float[Tensor, "B K"]
) -> Float[Tensor, "B T C"]:
    """sum_e w_e B_k(v_e): a hat is not zero on two pieces only, so this is a scatter."""
    weights = (weights * batch.real)[..., None]
    piece, share = data.piece[batch.senders].mT, data.share[batch.senders]  # (B, T, K)
    values = piece.new_zeros(*piece.shape[:2], data.hats.size, dtype=torch.float64)
    values.scatter_add_(2, piece, (weights * (1 - share)).mT)
    return values.scatter_add_(2, piece + 1, (weights * share).mT)
