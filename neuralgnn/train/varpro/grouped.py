r"""A model whose transfer functions differ between groups of neurons. Axes as in ``transfer``.

What :mod:`neuralgnn.train.varpro.fit` does for one psi: rows, latent vectors, MLPs, rows again.
Neurons of one group share a latent vector and an update function, as the data of all of them
determine it. The last rows are those of the splines: where senders are almost mixtures of each
other, W amplifies an error of psi by orders of magnitude (supplementary figure 14: R² 0.85 with
MLPs a thousandth off, 0.9999 with the splines that they learned from), the rates of change do not.
"""

__all__ = ["fit_group_model"]

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.mlp import MLP
from neuralgnn.models.pair import PairTransfer
from neuralgnn.train.varpro.distil import covering_rows, fit_mlp, relative_error
from neuralgnn.train.varpro.fit import (
    Samples,
    distil_update,
    fitting_points,
    subsample,
    visited_share,
)
from neuralgnn.train.varpro.latent import fit_latent_curves
from neuralgnn.train.varpro.search_data import members_of
from neuralgnn.train.varpro.solve import solve_spline_weights, solve_updates
from neuralgnn.train.varpro.splines import SplineBasis, refined_knots
from neuralgnn.train.varpro.transfer import TransferSplines

_MOST_RESTARTS = 4  # of an MLP
_CLOSE = 5e-3  # relative error from which it needs none
_RARE = 1e-4  # of a group's activity lies where its function is not learned, on either side
_MOST_POINTS = 1400  # in phi's distillation: the cost is cubic


def fit_group_model(
    model: AssemblyGNN,
    train: Samples,
    transfer: TransferSplines,
    *,
    n_update_coefficients: int,
    generator: torch.Generator,
) -> dict[str, float]:
    """Fills a model in place from the transfer functions of groups.

    Args:
        model: The model.
        train: Frames of the solve.
        transfer: The functions.
        n_update_coefficients: Spline coefficients of phi.
        generator: Where MLPs that end far from their functions start again from.

    Returns:
        Relative errors of the MLPs, ``transfer`` (the largest of several) and ``update``, and the
        relative ``ridge`` of the last solve.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    sample = subsample(train.x)
    basis = SplineBasis(
        refined_knots(transfer.basis, transfer.all_functions, sample, n_update_coefficients)
    )
    own_updates = solve_updates(train, transfer, basis)
    coefficients, information = own_updates.coefficients, own_updates.information
    grouped = transfer.n_groups > 1
    if grouped:
        coefficients, information = _pooled(coefficients, information, transfer.groups)
    updates = coefficients[transfer.groups] if grouped else coefficients
    latent = fit_latent_curves(coefficients, information, n_latent=model.embedding.shape[1])
    own = latent.latent[transfer.groups] if grouped else latent.latent
    with torch.no_grad():
        model.embedding.zero_()
        model.embedding[:, : own.shape[1]] = own.to(model.embedding)
    errors = {"transfer": _distil_transfer(model, transfer, train, generator)}
    curves = latent.coefficients()
    if grouped:
        errors["update"] = _distil_update(model, basis, curves, train, transfer.groups, generator)
    else:
        few = covering_rows(latent.latent, n_most=_MOST_POINTS // (4 * basis.size))
        errors["update"] = distil_update(model, basis, curves, few, sample)
    model.to(train.x.device)
    with torch.no_grad():
        model.weight.copy_(solve_spline_weights(train, transfer, basis, updates))
    return errors | {"ridge": transfer.ridge}


def _distil_transfer(
    model: AssemblyGNN, transfer: TransferSplines, train: Samples, generator: torch.Generator
) -> float:
    if isinstance(model.transfer, PairTransfer):
        return _distil_pair(model, model.transfer, transfer, train, generator)
    one = transfer.coefficients[0]
    return _distil_sender(model, model.transfer, transfer, one, train, generator)


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


def _distil_sender(
    model: AssemblyGNN,
    mlp: MLP,
    transfer: TransferSplines,
    functions: Float[np.ndarray, "G C"],
    train: Samples,
    generator: torch.Generator,
) -> float:
    """An MLP of psi learns each group's function; where hardly a sender was, it goes on constant.

    If there is one group only, its neurons have latent vectors of their own, and the function
    must not depend on them.
    """
    a = model.embedding.detach().cpu().double()
    members = members_of(transfer.groups)
    one = len(functions) == 1
    places = [a[covering_rows(a, n_most=5)]] if one else [a[own[:1].cpu()] for own in members]
    learned = [
        _GroupFunction(c, train.x[:, own], place)
        for c, own, place in zip(functions, members, places, strict=True)
    ]
    points = fitting_points(transfer.basis, per_interval=2)
    return _learn(model, mlp, transfer.basis, learned, points, generator, linear=False)


def _distil_update(
    model: AssemblyGNN,
    basis: SplineBasis,
    curves: Float[Tensor, "G K"],
    train: Samples,
    groups: Int[Tensor, " N"],
    generator: torch.Generator,
) -> float:
    """The MLP of phi learns each group's function; where its neurons hardly were, it is linear."""
    a = model.embedding.detach().cpu().double()
    learned = [
        _GroupFunction(c, train.x[:, own], a[own[:1].cpu()])
        for c, own in zip(curves.cpu().numpy(), members_of(groups), strict=True)
    ]
    n_intervals = len(basis.knots) - 1
    per_interval = min(4, max(1, _MOST_POINTS // (n_intervals * len(learned))))
    points = fitting_points(basis, per_interval=per_interval)
    return _learn(model, model.update, basis, learned, points, generator, linear=True)


class _GroupFunction(NamedTuple):
    """The function of a group's neurons.

    Attributes:
        coefficients: Of its spline.
        activity: Of the group's neurons.
        places: Latent vectors at which the function is learned.
    """

    coefficients: Float[np.ndarray, " C"]
    activity: Float[Tensor, "T I"]
    places: Float[Tensor, "P D"]


def _learn(
    model: AssemblyGNN,
    mlp: MLP,
    basis: SplineBasis,
    functions: Sequence[_GroupFunction],
    points: NDArray[np.float64],
    generator: torch.Generator,
    *,
    linear: bool,
) -> float:
    """An MLP learns splines of groups at the groups' latent vectors.

    Where hardly a neuron of a group ever was, its function goes on as a constant or a line: the
    spline may be anywhere there, and what it is would count with its square. An MLP that ends far
    from the functions, be it between the points that it learns, starts again.
    """
    visits = [subsample(function.activity) for function in functions]

    def table(points: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, values and how much they count, at some activities of every group."""
        x = torch.as_tensor(points)[:, None] / model.activity_scale
        inputs, values, density = [], [], []
        for function, sample in zip(functions, visits, strict=True):
            share = visited_share(points, sample) * function.activity.shape[1]
            within = np.clip(points, *np.quantile(sample, (_RARE, 1 - _RARE)))
            value = basis.curve(function.coefficients, within)
            if linear:
                value += basis.slope(function.coefficients, within) * (points - within)
            for place in function.places:
                inputs.append(torch.cat([x, place.expand(len(points), -1)], dim=1))
                values.append(torch.as_tensor(value))
                density.append(share)
        return torch.cat(inputs), torch.cat(values), torch.cat(density)

    fitted, between = table(points), table((points[1:] + points[:-1]) / 2)

    def fit(network: MLP) -> float:
        return max(fit_mlp(network, *fitted), relative_error(network, *between))

    error = fit(mlp)
    for _ in range(_MOST_RESTARTS):
        if error <= _CLOSE:
            break
        other = deepcopy(mlp)
        other.reset(generator)
        found = fit(other)
        if found < error:
            mlp.load_state_dict(other.state_dict())
            error = found
    return error


def _distil_pair(
    model: AssemblyGNN,
    psi: PairTransfer,
    transfer: TransferSplines,
    train: Samples,
    generator: torch.Generator,
) -> float:
    """The terms learn the leading singular functions of psi, receivers by senders."""
    n_receiving, n_groups, size = transfer.coefficients.shape
    left, spread, right = np.linalg.svd(
        transfer.coefficients.reshape(n_receiving, -1), full_matrices=False
    )
    a = model.embedding.detach().cpu().double()
    rows = torch.stack([own[0] for own in members_of(transfer.groups)]).cpu()
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
        errors.append(_distil_sender(model, term, transfer, functions, train, generator))
    return max(errors)


def _silence(mlp: MLP) -> None:
    """Makes a network's output zero."""
    last = cast(nn.Linear, mlp.layers[-1])
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
