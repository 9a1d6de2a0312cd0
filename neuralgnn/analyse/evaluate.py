"""Model functions from arrays to arrays, in blocks of bounded memory. Axes: M rows, N neurons."""

__all__ = ["drift_at", "pair_terms_at", "transfer_at", "update_at"]

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.pair import PairTransfer

_BLOCK_BYTES = 256 * 2**20  # of hidden activations held at a time


def update_at(model: AssemblyGNN, x: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
    """Evaluates phi(a_i, x_i) of every neuron at its own column of ``x`` [activity/time unit]."""
    return _in_blocks(model, model.self_update, x)


def transfer_at(
    model: AssemblyGNN, x: Float[np.ndarray, "M S"], *, receiver: int | None = None
) -> Float[np.ndarray, "M S"]:
    """Evaluates psi column by column; a function shared by all neurons takes any S columns.

    Args:
        model: The model.
        x: Activity.
        receiver: Neuron that receives; None: one of the sender's own kind.
    """
    if receiver is None:
        return _in_blocks(model, model.sent, x)
    return _in_blocks(model, lambda block: model.sent_to(receiver, block), x)


def pair_terms_at(
    model: AssemblyGNN, x: Float[np.ndarray, "M N"]
) -> tuple[Float[np.ndarray, "N C"], Float[np.ndarray, "C M N"]]:
    """Shares of every receiver and the ``C`` terms of every sender, of a psi of both."""
    assert isinstance(model.transfer, PairTransfer)
    with torch.no_grad():
        shares = model.transfer.receiver_shares(model.embedding).cpu().numpy().astype(np.float64)
    terms = [
        _in_blocks(model, lambda block, term=term: term(model.sender_state(block)), x)
        for term in model.transfer.terms
    ]
    return shares, np.stack(terms)


def drift_at(model: AssemblyGNN, x: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
    """Predicts the rate of change of every neuron [activity/time unit]."""
    with torch.no_grad():
        connectivity = model.connectivity().T
        return _in_blocks(
            model,
            lambda block: (
                model.self_update(block) + model.inflow(block, connectivity=connectivity)
            ),
            x,
        )


def _in_blocks(
    model: AssemblyGNN, function: Callable[[Tensor], Tensor], x: Float[np.ndarray, "M N"]
) -> Float[np.ndarray, "M N"]:
    """Evaluates in the model's precision, returns double precision."""
    parameter = model.embedding
    per_row = 4 * parameter.element_size() * model.arguments["hidden"] * max(x.shape[1], 1)
    n_rows = max(1, _BLOCK_BYTES // per_row)
    values = np.empty(x.shape, dtype=np.float64)
    with torch.no_grad():
        for start in range(0, len(x), n_rows):
            rows = slice(start, start + n_rows)
            block = torch.tensor(x[rows], dtype=parameter.dtype, device=parameter.device)
            values[rows] = function(block).cpu().numpy()
    return values
