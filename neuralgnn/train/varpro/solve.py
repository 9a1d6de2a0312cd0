"""Linear solves of a network whose transfer functions differ between neurons.

Axes: T frames, N neurons, I receivers, K coefficients, R groups of receivers.
"""

__all__ = [
    "Updates",
    "solve_model_weights",
    "solve_spline_weights",
    "solve_updates",
    "unexplained_by_group",
]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, solve_rows, solve_weights
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

_ROW_BLOCK_BYTES = 1 << 28
_FRAME_BLOCK = 256


@dataclass(frozen=True)
class Updates:
    """Every neuron's update function, and how well its equation holds with it.

    Attributes:
        coefficients: Spline coefficients.
        information: Their information, the weights being eliminated.
        unexplained: Mean square of what is left of each neuron's target.
    """

    coefficients: Float[Tensor, "N K"]
    information: Float[Tensor, "N K K"]
    unexplained: Float[Tensor, " N"]


def solve_updates(train: Samples, transfer: TransferSplines, basis: SplineBasis) -> Updates:
    """Solves every neuron's update function, for given transfer functions.

    Args:
        train: Frames to solve with.
        transfer: Transfer functions.
        basis: Splines of the update functions.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    n_neurons, size = transfer.n_neurons, basis.size
    coefficients = train.x.new_empty(n_neurons, size, dtype=torch.float64)
    information = train.x.new_empty(n_neurons, size, size, dtype=torch.float64)
    unexplained = train.x.new_empty(n_neurons, dtype=torch.float64)
    for group in range(transfer.n_receiving):
        receivers = transfer.receivers(group)
        for some, updates in _update_blocks(train, transfer, basis, receivers, receiving=group):
            coefficients[some] = updates.coefficients
            information[some] = updates.information
            unexplained[some] = updates.unexplained
    return Updates(coefficients, information, unexplained)


def unexplained_by_group(
    train: Samples,
    transfer: TransferSplines,
    basis: SplineBasis,
    receivers: Int[Tensor, " I"],
) -> Float[Tensor, "R I"]:
    """Mean square of what is left of some neurons' targets, were they in each receiving group.

    Args:
        train: Frames to solve with.
        transfer: Transfer functions.
        basis: Splines of the update functions.
        receivers: The neurons.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    left = []
    for group in range(transfer.n_receiving):
        blocks = _update_blocks(train, transfer, basis, receivers, receiving=group)
        left.append(torch.cat([updates.unexplained for _, updates in blocks]))
    return torch.stack(left)


def _update_blocks(
    train: Samples,
    transfer: TransferSplines,
    basis: SplineBasis,
    receivers: Int[Tensor, " I"],
    *,
    receiving: int,
) -> Iterator[tuple[Int[Tensor, " b"], Updates]]:
    """Some neurons as one group of receivers would have them, a block at a time."""
    n_samples, n_neurons = train.x.shape
    bytes_each = 8 * basis.size * (n_samples + 2 * n_neurons)
    block = max(1, min(n_neurons, _ROW_BLOCK_BYTES // bytes_each))
    sent = transfer.sent(train.x, receiving=receiving)
    factor = GramFactor.of(sent, ridge=transfer.ridge)
    for some in receivers.split(block):
        own = basis(train.x[:, some].T.double()).permute(1, 2, 0)
        system = RowSystem(sent, factor, train.undriven(own, some), some)
        target = train.undriven(train.y[:, some].T[:, :, None].double(), some)
        w, d = system.solve(target)
        left = system.residual(target, w, d).square().mean((1, 2))
        yield some, Updates(d[:, :, 0], system.linear.information, left)


def solve_spline_weights(
    train: Samples,
    transfer: TransferSplines,
    basis: SplineBasis,
    updates: Float[Tensor, "N K"],
) -> Float[Tensor, "N N"]:
    """W for given splines of psi and phi.

    Args:
        train: Frames to solve with.
        transfer: Transfer functions.
        basis: Splines of the update functions.
        updates: Coefficients of every neuron's update function.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    weight = train.x.new_empty(transfer.n_neurons, transfer.n_neurons, dtype=torch.float64)
    for group in range(transfer.n_receiving):
        receivers = transfer.receivers(group)
        sent = transfer.sent(train.x, receiving=group)
        target = train.y[:, receivers].double()
        for column, i in enumerate(receivers.tolist()):
            target[:, column] -= updates[i] @ basis(train.x[:, i].double())
        if train.drive is not None:
            target /= train.drive[:, receivers]
        factor = GramFactor.of(sent, ridge=transfer.ridge)
        weight[receivers] = solve_rows(factor, sent.T @ target, receivers)
    return weight


@torch.no_grad()
def solve_model_weights(model: AssemblyGNN, train: Samples, *, ridge: float) -> None:
    """Puts into a model the W that fits its own functions best.

    Args:
        model: Model whose psi does not depend on the receiver, changed in place.
        train: Frames to solve with.
        ridge: Relative ridge on W.
    """
    update = torch.cat([model.self_update(x) for x in train.x.split(_FRAME_BLOCK)])
    target = (train.y - update).double()
    if train.drive is not None:
        target /= train.drive
    sent = torch.cat([model.sent(x) for x in train.x.split(_FRAME_BLOCK)]).double()
    model.weight.copy_(solve_weights(GramFactor.of(sent, ridge=ridge), sent.T @ target))
