"""Model functions from arrays to arrays, in blocks of bounded memory. Axes: M rows, N neurons."""

__all__ = ["drift_at", "transfer_at", "update_at"]

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models.assembly import AssemblyGNN

_BLOCK_BYTES = 256 * 2**20  # of hidden activations held at a time


def update_at(model: AssemblyGNN, x: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
    """Evaluates phi(a_i, x_i) of every neuron at its own column of ``x`` [activity/time unit]."""
    return _in_blocks(model, model.self_update, x)


def transfer_at(model: AssemblyGNN, x: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
    """Evaluates psi column by column; a function shared by all neurons takes any S columns."""
    return _in_blocks(model, model.sent, x)


def drift_at(
    model: AssemblyGNN, x: Float[np.ndarray, "M N"], frames: Int[np.ndarray, " M"] | None = None
) -> Float[np.ndarray, "M N"]:
    """Predicts the rate of change of every neuron [activity/time unit].

    Args:
        model: The model.
        x: Activity.
        frames: Frame of the recording that each row is at; needed for a model with a field.
    """
    with torch.no_grad():
        connectivity = model.connectivity().T
        inflow = _in_blocks(model, lambda block: model.sent(block) @ connectivity, x)
        if model.field is not None:
            at = None if frames is None else torch.from_numpy(np.asarray(frames))
            inflow = model.driven(torch.from_numpy(inflow), at).numpy()
    return update_at(model, x) + inflow


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
