"""Linear solves of a network whose transfer functions differ between neurons.

Axes: T frames, N neurons, K coefficients, M terms.
"""

__all__ = ["solve_model_weights", "solve_updates"]

import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.pair import PairTransfer
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.rows import GramFactor, RowSystem, solve_weights
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
            system = RowSystem(sent, factor, own, receivers)
            target = train.y[:, receivers].T[:, :, None].double()
            normal[receivers], sides = system.update_equations(target)
            rhs[receivers] = sides[:, :, 0]
    ridge_matrix = 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    eye = torch.eye(basis.size, dtype=normal.dtype, device=normal.device)
    return torch.linalg.solve(normal + ridge_matrix * eye, rhs), normal


@torch.no_grad()
def solve_model_weights(model: AssemblyGNN, train: Samples, *, ridge: float) -> None:
    """Puts into a model the W that fits its own functions best.

    Args:
        model: Model, changed in place.
        train: Frames to solve with.
        ridge: Relative ridge on W.
    """
    update = torch.cat([model.self_update(x) for x in train.x.split(_FRAME_BLOCK)])
    target = (train.y - update).double()
    if isinstance(model.transfer, PairTransfer):
        model.weight.copy_(_pair_weights(model, model.transfer, train, target, ridge=ridge))
        return
    sent = torch.cat([model.sent(x) for x in train.x.split(_FRAME_BLOCK)]).double()
    model.weight.copy_(solve_weights(GramFactor.of(sent, ridge=ridge), sent.T @ target))


def _pair_weights(
    model: AssemblyGNN,
    psi: PairTransfer,
    train: Samples,
    target: Float[Tensor, "T N"],
    *,
    ridge: float,
) -> Float[Tensor, "N N"]:
    """Rows of W for a psi of the pair, the receivers of one group at a time."""
    blocks = train.x.split(_FRAME_BLOCK)
    terms = torch.cat([psi.sender_terms(model.sender_state(x)) for x in blocks], dim=1).double()
    shares, kinds = (
        psi.receiver_shares(model.embedding).double().unique(dim=0, return_inverse=True)
    )  # (R, M), (N,)
    weight = target.new_zeros(model.n_neurons, model.n_neurons)
    for kind, share in enumerate(shares):
        receivers = (kinds == kind).nonzero()[:, 0]
        sent = torch.tensordot(share, terms, dims=1)  # (T, N)
        inverse = GramFactor.of(sent, ridge=ridge).inverse
        rows = (inverse @ (sent.T @ target[:, receivers])).T  # (I, N)
        own = rows[torch.arange(len(receivers)), receivers]
        rows -= (own / inverse.diagonal()[receivers])[:, None] * inverse[receivers]  # w_ii = 0
        weight[receivers] = rows
    return weight.fill_diagonal_(0)
