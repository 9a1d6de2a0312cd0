"""Linear solves of a network whose transfer functions differ between neurons.

Axes: T frames, N neurons, K coefficients, M terms.
"""

__all__ = ["solve_model_weights", "solve_spline_weights", "solve_updates"]

import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, solve_rows, solve_weights
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

_ROW_BLOCK_BYTES = 1 << 28
_FRAME_BLOCK = 256


def solve_updates(
    train: Samples,
    transfer: TransferSplines,
    basis: SplineBasis,
) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K K"]]:
    """Spline coefficients of every neuron's update function, and their information.

    Args:
        train: Frames to solve with.
        transfer: Transfer functions.
        basis: Splines of the update functions.

    Raises:
        ValueError: If W is not determined by the samples.
    """
    n_samples, n_neurons = train.x.shape
    bytes_each = 8 * basis.size * (n_samples + 2 * n_neurons)
    block = max(1, min(n_neurons, _ROW_BLOCK_BYTES // bytes_each))
    normal = train.x.new_empty(n_neurons, basis.size, basis.size, dtype=torch.float64)
    rhs = train.x.new_empty(n_neurons, basis.size, dtype=torch.float64)
    for group in range(transfer.n_receiving):
        sent = transfer.sent(train.x, receiving=group)
        factor = GramFactor.of(sent, ridge=transfer.ridge)
        for receivers in transfer.receivers(group).split(block):
            own = basis(train.x[:, receivers].T.double()).permute(1, 2, 0)
            system = RowSystem(sent, factor, train.undriven(own, receivers), receivers)
            target = train.y[:, receivers].T[:, :, None].double()
            target = train.undriven(target, receivers)
            normal[receivers], sides = system.update_equations(target)
            rhs[receivers] = sides[:, :, 0]
    ridge_matrix = 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    eye = torch.eye(basis.size, dtype=normal.dtype, device=normal.device)
    return torch.linalg.solve(normal + ridge_matrix * eye, rhs), normal


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
