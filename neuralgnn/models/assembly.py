"""Graph network of a neural assembly. Axes: B frames, N neurons, D embedding, G grid points."""

__all__ = ["AssemblyGNN"]

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neuralgnn.models.field import SirenField
from neuralgnn.models.mlp import MLP
from neuralgnn.models.pair import PairTransfer
from neuralgnn.models.tabulate import interpolate


class AssemblyGNN(nn.Module):
    r"""Predicts the rate of change of every neuron from the activity of all of them.

    .. math:: \dot x_i = \phi(a_i, x_i) + \sum_{j \ne i} W_{ij}\, \psi(x_j)

    or :math:`\psi(a_j, x_j)` with ``transfer_input = "sender"``, or :math:`\psi(a_i, a_j, x_j)`
    with ``"pair"`` (:class:`PairTransfer`). All functions are evaluated once per neuron (and term)
    and multiplied by ``W``; the published code evaluates them once per edge.

    With a ``field``, the sums of the neurons on its grid are multiplied by :math:`\Omega_i(t)`
    (:class:`SirenField`), and every call says at which frames of the recording it is.

    Inputs of the MLPs are divided by ``activity_scale``, a constant of the recording that keeps
    them near one.

    Source: Allier et al. 2026 (arXiv:2602.13325). There W starts from N(0, 1): its messages are
    noise so much larger than the signal that training first flattens psi and takes thousands of
    steps to recover. Here W starts from N(0, 0.01 / N), with messages a tenth of psi.

    Args:
        n_neurons: Number of neurons ``N``.
        embedding_dim: Length ``D`` of the latent vector :math:`a_i` of a neuron.
        embedding: ``fixed`` keeps all latent vectors at one and untrained.
        transfer_input: Whether psi sees the latent vector of the sender, or of both.
        transfer_terms: Terms of a psi that sees both.
        hidden: Width of the MLPs.
        n_layers: Linear layers of the MLPs.
        activation: Nonlinearity of the MLPs.
        activity_scale: Constant that inputs of phi and psi are divided by [activity].
        field: Arguments of the hidden field; None for a network that nothing drives.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.

    Attributes:
        weight: W, ``(N, N)``, W[i, j] acting from j on i; the diagonal is never used.
        embedding: a, ``(N, D)``.
    """

    def __init__(
        self,
        n_neurons: int,
        *,
        embedding_dim: int = 2,
        embedding: Literal["learned", "fixed"] = "learned",
        transfer_input: Literal["activity", "sender", "pair"] = "activity",
        transfer_terms: int = 4,
        hidden: int = 64,
        n_layers: int = 3,
        activation: Literal["relu", "tanh", "silu"] = "relu",
        activity_scale: float = 1.0,
        field: dict[str, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.arguments = {
            "n_neurons": n_neurons,
            "embedding_dim": embedding_dim,
            "embedding": embedding,
            "transfer_input": transfer_input,
            "transfer_terms": transfer_terms,
            "hidden": hidden,
            "n_layers": n_layers,
            "activation": activation,
            "activity_scale": activity_scale,
        }
        if field is not None:
            self.arguments["field"] = dict(field)
        self.n_neurons = n_neurons
        self.transfer_input = transfer_input
        self.activity_scale: float | Tensor = activity_scale  # a tensor while models are mapped
        shape = {"hidden": hidden, "n_layers": n_layers, "activation": activation}
        self.embedding = nn.Parameter(
            torch.ones(n_neurons, embedding_dim), requires_grad=embedding == "learned"
        )
        self.update = MLP(1 + embedding_dim, **shape, generator=generator)  # phi
        self.transfer = _transfer(
            transfer_input, embedding_dim, n_terms=transfer_terms, **shape, generator=generator
        )  # psi
        weight = torch.randn(n_neurons, n_neurons, generator=generator)
        weight *= 0.1 * n_neurons**-0.5
        self.weight = nn.Parameter(weight.fill_diagonal_(0))
        self.field = None if field is None else SirenField(**field, generator=generator)  # Omega
        if self.field is not None and self.field.neurons.stop > n_neurons:
            raise ValueError(
                f"the field drives neurons {self.field.neurons.start}.."
                f"{self.field.neurons.stop - 1}, but there are only {n_neurons} "
                f"(0..{n_neurons - 1}); is its shape that of the grid?"
            )

    def forward(
        self,
        x: Float[Tensor, "B N"],
        *,
        frames: Int[Tensor, " B"] | None = None,
        grid: Float[Tensor, " G"] | None = None,
    ) -> Float[Tensor, "B N"]:
        """Rate of change of every neuron.

        Args:
            x: Activity.
            frames: Frame of the recording that each row is at; needed with a field.
            grid: Evenly spaced activities, from below the lowest to above the highest one, that
                psi is evaluated at and interpolated between; None evaluates it at ``x``. Only
                for a psi of the activity alone.
        """
        inflow = self.inflow(x) if grid is None else self.message(self.sent_from_table(x, grid))
        return self.self_update(x) + self.driven(inflow, frames)

    def driven(
        self, inflow: Float[Tensor, "B N"], frames: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B N"]:
        """What neurons receive, multiplied by the field where the model has one.

        Raises:
            ValueError: If the model has a field and no frames are given.
        """
        if self.field is None:
            return inflow
        if frames is None:
            raise ValueError("the model has a field of place and time: say at which frames")
        drive = torch.ones_like(inflow)
        drive[:, self.field.neurons] = self.field.at(frames).to(inflow)
        return drive * inflow

    def connectivity(self) -> Float[Tensor, "N N"]:
        """Weights with a zero diagonal: no neuron sends to itself."""
        return self.weight - torch.diag(self.weight.diagonal())

    def message(self, sent: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """Sum over j other than i of W_ij times what neuron j sends."""
        # Equal to `sent @ connectivity().T` without a copy of W and of its gradient.
        return sent @ self.weight.T - sent * self.weight.diagonal()

    def inflow(
        self, x: Float[Tensor, "B N"], *, connectivity: Float[Tensor, "N N"] | None = None
    ) -> Float[Tensor, "B N"]:
        """What every neuron receives, sum over j of W_ij psi.

        Args:
            x: Activity.
            connectivity: The transpose of :meth:`connectivity`, to form it once for many calls.
        """
        if not isinstance(self.transfer, PairTransfer):
            sent = self.sent(x)
            return self.message(sent) if connectivity is None else sent @ connectivity
        shares = self.transfer.receiver_shares(self.embedding)  # (N, M)
        terms = self.transfer.sender_terms(self.sender_state(x))  # (M, B, N)
        sums = self.message(terms) if connectivity is None else terms @ connectivity
        return (shares.T[:, None] * sums).sum(0)

    def self_update(self, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """Update function phi(a_i, x_i) of every neuron."""
        return self.update(self._with_embedding(x, self.embedding))

    def sent(
        self, x: Float[Tensor, "B N"], *, embedding: Float[Tensor, "N D"] | None = None
    ) -> Float[Tensor, "B N"]:
        """Transfer function psi of every neuron, once per neuron.

        Of a psi that sees the receiver too, what a neuron would send to one of its own kind.

        Args:
            x: Activity.
            embedding: Latent vectors in place of the model's own.
        """
        if self.transfer_input == "activity":
            return self.transfer(x[..., None] / self.activity_scale)
        own = self.embedding if embedding is None else embedding
        state = self._with_embedding(x, own)
        if self.transfer_input == "sender":
            return self.transfer(state)
        return self.transfer(own.expand(*x.shape, -1), state)

    def sent_to(self, receiver: int, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """Transfer function of every neuron towards one receiver."""
        if self.transfer_input != "pair":
            return self.sent(x)
        a = self.embedding[receiver].expand(*x.shape, -1)
        return self.transfer(a, self._with_embedding(x, self.embedding))

    def sent_from_table(
        self, x: Float[Tensor, "B N"], grid: Float[Tensor, " G"]
    ) -> Float[Tensor, "B N"]:
        """Psi interpolated between the points of an even grid; pays when B N exceeds 2 G.

        Raises:
            ValueError: If psi also depends on the sender.
        """
        if self.transfer_input != "activity":
            raise ValueError("psi sees the sender's latent vector: one table cannot hold it")
        return interpolate(self.transfer(grid[:, None] / self.activity_scale), x, grid)

    def sender_state(self, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N 1+D"]:
        """What psi sees of every sender: scaled activity and latent vector."""
        return self._with_embedding(x, self.embedding)

    def update_curves(self, grid: Float[Tensor, " G"]) -> Float[Tensor, "N G"]:
        """Update function phi(a_i, x) of every neuron on a common grid of activity."""
        return self.self_update(grid[:, None].expand(-1, self.n_neurons)).T

    def transfer_curves(self, grid: Float[Tensor, " G"]) -> Float[Tensor, "N G"]:
        """Transfer function psi of every sending neuron on a common grid of activity."""
        return self.sent(grid[:, None].expand(-1, self.n_neurons)).T

    def _with_embedding(
        self, x: Float[Tensor, "B N"], embedding: Float[Tensor, "N D"]
    ) -> Float[Tensor, "B N 1+D"]:
        a = embedding.expand(*x.shape, -1)
        return torch.cat([x[..., None] / self.activity_scale, a], dim=-1)


def _transfer(
    transfer_input: str,
    embedding_dim: int,
    *,
    n_terms: int,
    generator: torch.Generator | None,
    **shape: Any,
) -> MLP | PairTransfer:
    if transfer_input == "pair":
        return PairTransfer(embedding_dim, n_terms=n_terms, **shape, generator=generator)
    n_inputs = 1 if transfer_input == "activity" else 1 + embedding_dim
    return MLP(n_inputs, **shape, generator=generator)
