"""The model evaluated once per edge, as published. Axes: B frames, N neurons, E = N(N-1) edges.

Slow and large on purpose: tests and benchmarks compare :class:`AssemblyGNN` with it.
"""

__all__ = ["per_edge_forward"]

import torch
from jaxtyping import Float
from torch import Tensor

from neuralgnn.models.assembly import AssemblyGNN


def per_edge_forward(model: AssemblyGNN, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """The same rates as ``model(x)``, by gathering, transferring and scattering along edges.

    Source: message passing of the published code of Allier et al. 2026 (arXiv:2602.13325).

    Args:
        model: Model to evaluate; gradients reach its parameters.
        x: Activity.
    """
    scale, a = model.activity_scale, model.embedding
    pre, post = torch.combinations(torch.arange(len(a), device=x.device), 2).T
    pre, post = torch.cat([pre, post]), torch.cat([post, pre])  # every ordered pair, (E,)
    inputs = x[:, pre, None] / scale  # (B, E, 1)
    if model.transfer_input != "activity":
        inputs = torch.cat([inputs, a[pre].expand(len(x), -1, -1)], dim=-1)  # (B, E, 1 + D)
    pair = model.transfer_input == "pair"
    inputs = (a[post].expand(len(x), -1, -1), inputs) if pair else (inputs,)
    messages = model.weight[post, pre] * model.transfer(*inputs)  # (B, E)
    inflow = torch.zeros_like(x).index_add(1, post, messages)
    own = torch.cat([x[..., None] / scale, a.expand(len(x), -1, -1)], dim=-1)  # (B, N, 1 + D)
    return model.update(own) + inflow
