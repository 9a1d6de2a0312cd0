r"""A model fitted by variable projection. Axes: T frames, N neurons, K coefficients, D latents.

1. *Search*: psi as a spline, found from a few receiving neurons (``search``), from several
   starting shapes, then on finer knots where it bends. Where psi differs between neurons, this is
   where its groups start from (``groups``).
2. *Rows*: W and a spline phi for every neuron (``rows``).
3. *Latents*: the update functions of all neurons through latent vectors (``latent``). Groups that
   have transfer functions of their own have one latent vector each.
4. *Distil*: the MLPs of the graph network learn psi and phi (``distil``).
5. *Solve*: W once more, with the MLPs in place.
"""

__all__ = ["Search", "find_transfer", "fit_model"]

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.mlp import MLP
from neuralgnn.models.pair import PairTransfer
from neuralgnn.train.varpro.distil import covering_rows, fit_mlp
from neuralgnn.train.varpro.latent import fit_latent_curves
from neuralgnn.train.varpro.samples import Samples, subsample
from neuralgnn.train.varpro.search import (
    SearchData,
    SearchState,
    held_out_error,
    search_transfer,
    start_coefficients,
)
from neuralgnn.train.varpro.solve import solve_model_weights, solve_updates
from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots, refined_knots
from neuralgnn.train.varpro.transfer import TransferSplines

logger = logging.getLogger(__name__)

_AGREEMENT = 0.02
_MOST_POINTS = 1400  # of the update functions' distillation; its cost grows with the cube
_TRANSFER_STEPS = 60  # of a psi that sees latent vectors: then its error is below a thousandth


@dataclass(frozen=True)
class Search:
    """Where the search for psi stands: enough to continue it identically.

    Stage 0 tries one start after the other on the coarsest knots; the later stages refine the
    best of them.
    """

    stage: int = 0
    start: int = 0
    knots: NDArray[np.float64] | None = None
    state: SearchState | None = None
    best_error: float = float("inf")
    best_state: SearchState | None = None

    @property
    def basis(self) -> SplineBasis:
        """Splines on the current knots."""
        assert self.knots is not None
        return SplineBasis(self.knots)

    def transfer(self, n_neurons: int) -> TransferSplines:
        """What was found, as functions of every neuron."""
        assert self.knots is not None and self.state is not None
        groups = torch.zeros(n_neurons, dtype=torch.long)
        return TransferSplines(self.knots, self.state.coefficients[None], groups)


def find_transfer(
    train: Samples,
    held_out: Samples,
    *,
    receivers: Tensor,
    n_coefficients: tuple[int, ...],
    n_update_coefficients: int,
    starts: tuple[str, ...],
    max_iterations: int,
    ridge: float,
    shared_update: bool,
    search: Search | None = None,
    on_progress: Callable[[Search], None] = lambda search: None,
) -> Search:
    """Finds the spline of psi.

    Args:
        train: Frames to fit.
        held_out: Frames that choose between starts.
        receivers: Neurons whose rates are fitted.
        n_coefficients: Spline coefficients of each stage.
        n_update_coefficients: Spline coefficients of phi.
        starts: Starting shapes.
        max_iterations: Upper bound of the Gauss-Newton steps per search.
        ridge: Relative ridge on W.
        shared_update: Whether all neurons have one update function.
        search: Where to go on.
        on_progress: Called after every step.

    Returns:
        The finished search: its ``state`` holds the coefficients on its ``basis``.
    """
    sample = subsample(train.x)
    if search is None:
        search = Search(knots=quantile_knots(sample, n_coefficients[0]))
    data = _DataMaker(
        train, held_out, receivers, sample, n_update_coefficients, shared_update, ridge
    )

    def run(search: Search, fit_data: SearchData) -> Search:
        assert search.state is not None
        state = search_transfer(
            fit_data,
            search.state,
            max_iterations=max_iterations,
            on_iteration=lambda state: on_progress(replace(search, state=state)),
        )
        return replace(search, state=state)

    if search.stage == 0:
        fit_data, test_data = data.fitted(search.basis), data.tested(search.basis)
        scale = float(np.std(sample))
        while search.start < len(starts):
            if search.state is None:
                shape = starts[search.start]
                c = start_coefficients(search.basis, shape=shape, scale=scale)
                search = replace(search, state=SearchState(c))
            search = run(search, fit_data)
            assert search.state is not None
            error = held_out_error(fit_data, search.state, test_data)
            logger.info("start %r: held-out error %.2e", starts[search.start], error)
            agree = search.start > 0 and abs(error / search.best_error - 1) <= _AGREEMENT
            if error < search.best_error:
                search = replace(search, best_error=error, best_state=search.state)
            # Two ways in that end at the same place need no third.
            search = replace(search, start=len(starts) if agree else search.start + 1, state=None)
            on_progress(search)
        search = replace(search, state=search.best_state)
    for stage in range(max(search.stage, 1), len(n_coefficients)):
        if search.stage < stage:
            search = _refine(search, stage, sample, n_coefficients[stage])
        search = run(search, data.fitted(search.basis))
    return search


def fit_model(
    model: AssemblyGNN,
    train: Samples,
    transfer: TransferSplines,
    *,
    n_update_coefficients: int,
    ridge: float,
) -> dict[str, float]:
    """Fills a model in place from the found psi: rows, latent vectors, MLPs, rows again.

    Returns:
        Relative errors of the MLPs, by name; of several, the largest.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    shared = not model.embedding.requires_grad
    sample = subsample(train.x)
    update_basis = SplineBasis(
        refined_knots(transfer.basis, transfer.all_functions, sample, n_update_coefficients)
    )
    coefficients, information = solve_updates(
        train, transfer, update_basis, ridge=ridge, shared=shared
    )
    if shared:
        curves, rows = coefficients[:1], torch.zeros(1, dtype=torch.long)
    else:
        grouped = transfer.n_groups > 1
        if grouped:
            coefficients, information = _pooled(coefficients, information, transfer.groups)
        latent = fit_latent_curves(coefficients, information, n_latent=model.embedding.shape[1])
        own = latent.latent[transfer.groups] if grouped else latent.latent
        with torch.no_grad():
            model.embedding.zero_()
            model.embedding[:, : own.shape[1]] = own.to(model.embedding)
        few = covering_rows(latent.latent, n_most=_MOST_POINTS // (4 * update_basis.size))
        curves = latent.coefficients()[few]
        rows = _first_members(transfer.groups)[few] if grouped else few
    errors = {
        "transfer": _distil_transfer(model, transfer, train),
        "update": _distil_update(model, update_basis, curves, rows, sample),
    }
    model.to(train.x.device)
    solve_model_weights(model, train, transfer, ridge=ridge)
    return errors


def _distil_transfer(model: AssemblyGNN, transfer: TransferSplines, train: Samples) -> float:
    if isinstance(model.transfer, PairTransfer):
        return _distil_pair(model, model.transfer, transfer, train)
    if model.transfer_input == "sender":
        return _distil_sender(model, model.transfer, transfer, transfer.coefficients[0], train)
    basis, c = transfer.basis, transfer.coefficients[0, 0]
    points = _fitting_points(basis)
    inputs = torch.as_tensor(points)[:, None] / model.activity_scale
    values = torch.as_tensor(basis.curve(c, points))
    error = fit_mlp(model.transfer, inputs, values, _density(points, subsample(train.x)))
    # What every neuron sends at rest belongs to the update functions: psi(0) = 0.
    with torch.no_grad():
        last = cast(nn.Linear, model.transfer.layers[-1])
        last.bias.sub_(model.transfer(torch.zeros(1, 1)))
    return error


def _pooled(
    coefficients: Float[Tensor, "N K"],
    information: Float[Tensor, "N K K"],
    groups: Int[Tensor, " N"],
) -> tuple[Float[Tensor, "G K"], Float[Tensor, "G K K"]]:
    """One update function for each group, as the data of all its neurons determine it.

    Neurons that share their transfer functions are taken to be of one kind altogether.
    """
    n_groups = int(groups.max()) + 1
    sides = (information @ coefficients[:, :, None])[:, :, 0]
    total = information.new_zeros(n_groups, *information.shape[1:]).index_add(
        0, groups, information
    )
    rhs = sides.new_zeros(n_groups, sides.shape[1]).index_add(0, groups, sides)
    ridge = 1e-9 * total.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    eye = torch.eye(total.shape[1]).to(total)
    return torch.linalg.solve(total + ridge * eye, rhs), total


def _first_members(groups: Int[Tensor, " N"]) -> Int[Tensor, " G"]:
    """One neuron of each group."""
    numbered = [(groups == group).nonzero()[0, 0] for group in range(int(groups.max()) + 1)]
    return torch.stack(numbered)


def _distil_sender(
    model: AssemblyGNN,
    mlp: MLP,
    transfer: TransferSplines,
    functions: Float[np.ndarray, "G C"],
    train: Samples,
) -> float:
    """An MLP learns each group's function at the group's latent vector.

    If there is one group only, its neurons have latent vectors of their own, and the function
    must not depend on them.
    """
    points = _fitting_points(transfer.basis, per_interval=2)
    a = model.embedding.detach().cpu().double()
    x = torch.as_tensor(points)[:, None] / model.activity_scale
    inputs, values, density = [], [], []
    for group, c in enumerate(functions):
        members = (transfer.groups == group).nonzero()[:, 0]
        visited = _density(points, subsample(train.x[:, members])) * len(members)
        places = a[members[:1].cpu()] if len(functions) > 1 else a[covering_rows(a, n_most=5)]
        for place in places:
            inputs.append(torch.cat([x, place.expand(len(points), -1)], dim=1))
            values.append(torch.as_tensor(transfer.basis.curve(c, points)))
            density.append(visited)
    return fit_mlp(
        mlp,
        torch.cat(inputs),
        torch.cat(values),
        torch.cat(density),
        max_iterations=_TRANSFER_STEPS,
    )


def _distil_pair(
    model: AssemblyGNN, psi: PairTransfer, transfer: TransferSplines, train: Samples
) -> float:
    """The terms learn the leading singular functions of psi, receivers by senders."""
    n_receiving, n_groups, size = transfer.coefficients.shape
    left, spread, right = np.linalg.svd(
        transfer.coefficients.reshape(n_receiving, -1), full_matrices=False
    )
    a = model.embedding.detach().cpu().double()
    rows = _first_members(transfer.groups).cpu()
    rows = rows if n_receiving > 1 else covering_rows(a, n_most=16)
    errors = [0.0]
    for m, (share, term) in enumerate(zip(psi.shares, psi.terms, strict=True)):
        share, term = cast(MLP, share), cast(MLP, term)
        if m >= len(spread):
            _silence(term)
            continue
        values = torch.as_tensor(left[:, m]).expand(len(rows))
        errors.append(fit_mlp(share, a[rows], values, torch.ones(len(rows))))
        functions = (spread[m] * right[m]).reshape(n_groups, size)
        errors.append(_distil_sender(model, term, transfer, functions, train))
    return max(errors)


def _silence(mlp: MLP) -> None:
    """Makes a network's output zero."""
    last = cast(nn.Linear, mlp.layers[-1])
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()


def _distil_update(
    model: AssemblyGNN, basis: SplineBasis, curves: Tensor, rows: Tensor, sample: NDArray
) -> float:
    """The MLP of phi learns the curves ``(R, K)`` of some neurons at their latent vectors."""
    points = _fitting_points(basis)
    x = torch.as_tensor(points)[:, None].expand(len(rows), -1, 1) / model.activity_scale
    a = model.embedding.detach().cpu()[rows.cpu()].double()
    inputs = torch.cat([x, a[:, None, :].expand(-1, len(points), -1)], dim=-1)  # (R, M, 1 + D)
    values = torch.as_tensor(basis.curve(curves.T.cpu().numpy(), points).T.copy())  # (R, M)
    density = _density(points, sample).repeat(len(rows))
    return fit_mlp(model.update, inputs.flatten(0, 1), values.flatten(), density)


class _DataMaker:
    """Builds the search's samples on given knots: fitted and held-out frames alike."""

    def __init__(
        self,
        train: Samples,
        held_out: Samples,
        receivers: Tensor,
        sample: NDArray,
        n_update_coefficients: int,
        shared_update: bool,
        ridge: float,
    ) -> None:
        self.train, self.held_out, self.receivers = train, held_out, receivers
        self.update_basis = SplineBasis(quantile_knots(sample, n_update_coefficients))
        self.options = {"shared_update": shared_update, "ridge": ridge}

    def fitted(self, basis: SplineBasis) -> SearchData:
        return self._make(self.train, basis)

    def tested(self, basis: SplineBasis) -> SearchData:
        return self._make(self.held_out, basis)

    def _make(self, samples: Samples, basis: SplineBasis) -> SearchData:
        return SearchData(
            samples.x,
            samples.y[:, self.receivers],
            self.receivers,
            transfer_basis=basis,
            update_basis=self.update_basis,
            **self.options,
        )


def _refine(search: Search, stage: int, sample: NDArray, n_coefficients: int) -> Search:
    """The same function on more knots, placed where it bends."""
    assert search.state is not None
    old, c = search.basis, search.state.coefficients
    knots = refined_knots(old, c, sample, n_coefficients)
    grid = np.linspace(knots[0], knots[-1], 8001)
    state = SearchState(SplineBasis(knots).project(grid, old.curve(c.T, grid)).T)
    return replace(search, stage=stage, knots=knots, state=state)


def _fitting_points(basis: SplineBasis, *, per_interval: int = 4) -> NDArray[np.float64]:
    """Some points to every interval between knots."""
    knots = basis.knots
    inner = np.linspace(knots[:-1], knots[1:], per_interval, endpoint=False, axis=1).ravel()
    return np.append(inner, knots[-1])


def _density(points: NDArray, sample: NDArray) -> Float[Tensor, " M"]:
    """Share of the activity that each point stands for, with a floor that keeps edges tame."""
    edges = np.concatenate([[-np.inf], (points[1:] + points[:-1]) / 2, [np.inf]])
    share = np.histogram(sample, bins=edges)[0] / len(sample)
    return torch.as_tensor(share + 0.1 / len(points))
