"""Transfer functions of receiver and sender. Axes: B frames, N neurons, D embedding, M terms."""

__all__ = ["PairTransfer"]

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neuralgnn.models.mlp import MLP


class PairTransfer(nn.Module):
    r"""A transfer function of both latent vectors and the sender's activity, in few terms.

    .. math:: \psi(a_i, a_j, x_j) = \sum_m c_m(a_i)\, \psi_m(a_j, x_j)

    Receiver and sender meet in a sum of ``M`` products only, so a network of N neurons costs M
    times what a psi of the sender costs, where one MLP of all inputs costs N times as much. Any
    smooth psi is such a sum; as many terms as there are kinds of receivers make it exact.

    Args:
        embedding_dim: Length ``D`` of a latent vector.
        n_terms: Number of terms ``M``.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.
        **shape: Width, depth and nonlinearity of the MLPs.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        n_terms: int,
        generator: torch.Generator | None = None,
        **shape: Any,
    ) -> None:
        super().__init__()
        self.shares = nn.ModuleList(
            MLP(embedding_dim, **shape, generator=generator) for _ in range(n_terms)
        )  # c
        self.terms = nn.ModuleList(
            MLP(1 + embedding_dim, **shape, generator=generator) for _ in range(n_terms)
        )  # psi_m
        with torch.no_grad():  # from about 1: products of two small outputs would hardly learn
            for share in self.shares:
                cast(nn.Linear, cast(MLP, share).layers[-1]).bias.fill_(1.0)

    def receiver_shares(self, a: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch M"]:
        """C of every receiver."""
        return torch.stack([share(a) for share in self.shares], dim=-1)

    def sender_terms(self, state: Float[Tensor, "... 1+D"]) -> Float[Tensor, "M ..."]:
        """psi_m of every sender, from its scaled activity and latent vector."""
        return torch.stack([term(state) for term in self.terms])

    def forward(
        self, receiver: Float[Tensor, "*batch D"], state: Float[Tensor, "*batch 1+D"]
    ) -> Float[Tensor, "*batch"]:
        """Psi of pairs, the receiver's latent vector and the sender's state row by row."""
        shares = self.receiver_shares(receiver).movedim(-1, 0)
        return (shares * self.sender_terms(state)).sum(0)
