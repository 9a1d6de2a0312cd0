r"""From tabulated curves to the MLPs of the model. Axes: M points, C inputs, Q parameters.

A smooth function of one to three inputs is a small least-squares problem with more parameters
than points, so Levenberg-Marquardt works in the space of the points,

.. math:: \delta = J' (J J' + \lambda I)^{-1} r,

an ``M x M`` solve. A few dozen steps reach errors that first-order methods need hours for.
"""

__all__ = ["TOLERANCE", "covering_rows", "fit_mlp", "place_kinks", "relative_error"]

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from neuralgnn.models.mlp import MLP

TOLERANCE = 5e-5
"""Error relative to the function's own size at which a fit is good enough."""

_PATIENCE = 10  # steps in which the error has to fall
_LEAST_FALL = 5e-3  # by so much, once it is below
_SMALL = 1e-3  # which is where curves end that have noise of their own; others may yet get away
_REACH = 4.0  # of every unit at the other end of the range, as the second layer sees it


def fit_mlp(
    mlp: MLP,
    inputs: Float[Tensor, "M C"],
    values: Float[Tensor, " M"],
    density: Float[Tensor, " M"],
    *,
    max_iterations: int = 150,
    tolerance: float = TOLERANCE,
) -> float:
    """Fits an MLP to a tabulated function in place, in float64.

    Args:
        mlp: Network to change.
        inputs: Points.
        values: The function there.
        density: How much each point counts.
        max_iterations: Upper bound of the steps.
        tolerance: Error at which the fit is good enough.

    Returns:
        The density-weighted L2 error relative to the function's own size.
    """
    network = mlp.layers.to(torch.float64)
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    inputs, values = inputs.double(), values.double()
    root = (density.double() / density.sum()).sqrt()
    # Networks start near zero: they learn values of order one, the last layer gives the size.
    scale = (root * values).norm().clamp_min(1e-12)
    wanted = values / scale
    parameters, damping = _parameters(linear), 1e-2
    error, errors = float("inf"), list[float]()
    for _ in range(max_iterations):
        output, jacobian = _output_and_jacobian(network, inputs)
        residual = root * (wanted - output)
        error = float(residual.norm())
        errors.append(error)
        before = errors[-1 - _PATIENCE] if len(errors) > _PATIENCE else float("inf")
        if error < tolerance or _SMALL > error > (1 - _LEAST_FALL) * before:
            break
        weighted = root[:, None] * jacobian
        kernel = weighted @ weighted.T
        for _ in range(12):
            damped = kernel + damping * torch.eye(len(kernel)).to(kernel)
            factor = torch.linalg.cholesky(damped)
            trial = parameters + weighted.T @ torch.cholesky_solve(residual[:, None], factor)[:, 0]
            _assign(linear, trial)
            with torch.no_grad():
                candidate = float((root * (wanted - network(inputs)[:, 0])).norm())
            if candidate < error:
                parameters, error, damping = trial, candidate, damping / 8
                break
            damping *= 4
        else:
            _assign(linear, parameters)
            break
    with torch.no_grad():
        linear[-1].weight.mul_(scale)
        linear[-1].bias.mul_(scale)
    mlp.to(torch.float32)
    return error


@torch.no_grad()
def relative_error(
    mlp: MLP,
    inputs: Float[Tensor, "M C"],
    values: Float[Tensor, " M"],
    density: Float[Tensor, " M"],
) -> float:
    """The error that :func:`fit_mlp` returns, at other points: between its own it may bend."""
    error = values.double() - mlp(inputs.float()).double()
    root = (density.double() / density.sum()).sqrt()
    return float((root * error).norm() / (root * values.double()).norm().clamp_min(1e-12))


@torch.no_grad()
def place_kinks(mlp: MLP, knots: NDArray[np.float64]) -> None:
    """Lets the first layer of a network of one input bend where a spline has its knots.

    Every unit turns over at a knot, or between two, within their distance; as initialised, all
    turn slowly somewhere around zero, and no descent moves them to a step that is a hundredth
    of the range wide.

    Args:
        mlp: Network to change, before it is fitted.
        knots: Increasing, in the units of the input.
    """
    first, second = (cast(nn.Linear, mlp.layers[index]) for index in (0, 2))
    n_units = first.out_features
    place = np.interp(np.linspace(0, len(knots) - 1, n_units), np.arange(len(knots)), knots)
    steepness = 1 / np.gradient(place)
    sign = np.where(np.arange(n_units) % 2, 1.0, -1.0)  # half of them are at rest on either side
    first.weight.copy_(torch.as_tensor(sign * steepness)[:, None])
    first.bias.copy_(torch.as_tensor(-sign * steepness * place))
    if not isinstance(mlp.layers[1], nn.Tanh):  # the others go on growing: all as far
        reach = steepness * (knots[-1] - knots[0])
        second.weight.mul_(torch.as_tensor(_REACH / reach).to(second.weight))


def covering_rows(
    rows: Float[Tensor, "N C"], *, n_most: int = 32, radius: float = 0.1
) -> Int[Tensor, " R"]:
    """Indices of rows such that each row is within ``radius`` of one, up to ``n_most`` of them.

    Farthest-point sampling, starting at the row nearest to the mean: four tight clusters need
    four representatives, a continuum as many as allowed.
    """
    chosen = [int((rows - rows.mean(0)).norm(dim=1).argmin())]
    distance = (rows - rows[chosen[0]]).norm(dim=1)
    while len(chosen) < n_most and float(distance.max()) > radius:
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (rows - rows[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen, device=rows.device)


def _parameters(linear: list[nn.Linear]) -> Float[Tensor, " Q"]:
    parts = [part.detach().flatten() for layer in linear for part in (layer.weight, layer.bias)]
    return torch.cat(parts)


def _assign(linear: list[nn.Linear], parameters: Float[Tensor, " Q"]) -> None:
    sizes = [part.numel() for layer in linear for part in (layer.weight, layer.bias)]
    parts = iter(parameters.split(sizes))
    with torch.no_grad():
        for layer in linear:
            layer.weight.copy_(next(parts).view_as(layer.weight))
            layer.bias.copy_(next(parts))


def _output_and_jacobian(
    network: nn.Sequential, inputs: Float[Tensor, "M C"]
) -> tuple[Float[Tensor, " M"], Float[Tensor, "M Q"]]:
    """Output at each point and its derivatives by all parameters, by backpropagation."""
    h, layers = inputs, []  # (linear layer, its input, slope of the activation before it)
    slope = None
    for module in network:
        if isinstance(module, nn.Linear):
            layers.append((module, h, slope))
            h = module(h).detach()
        else:
            h.requires_grad_(True)
            activated = module(h.clone())  # some work in place, which a leaf does not allow
            (slope,) = torch.autograd.grad(activated.sum(), h)
            h = activated.detach()
    columns: list[Tensor] = []
    delta = torch.ones_like(h)  # (M, 1)
    for module, entered, slope in reversed(layers):
        weights = (delta[:, :, None] * entered[:, None, :]).flatten(1)
        columns = [weights, delta, *columns]
        if slope is not None:
            delta = (delta @ module.weight.detach()) * slope
    return h[:, 0], torch.cat(columns, dim=1)
