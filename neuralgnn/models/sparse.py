r"""Graph networks on given edges. Axes: B frames, N neurons, E edges, D latents, C knots.

Both forms evaluate the transfer function once per neuron and multiply by a sparse W; the
published code evaluates it once per edge, 32 times as often in the fly's visual system.
"""

__all__ = ["AffineGNN", "GeneralGNN", "SparseGNN", "piecewise_linear"]

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neuralgnn.models.mlp import MLP


class SparseGNN(nn.Module, ABC):
    """Rate of change of every neuron from activity and external input, over given edges.

    Attributes:
        pre: Sending neuron of each edge.
        post: Receiving neuron of each edge.
        weight: W of each edge, ``(E,)``.
        embedding: a, ``(N, D)``.
        arguments: What rebuilds the module; the edges are part of its state.
    """

    pre: Int[Tensor, " E"]
    post: Int[Tensor, " E"]
    weight: nn.Parameter
    embedding: nn.Parameter
    arguments: dict[str, Any]

    def __init__(self, n_neurons: int, *, n_edges: int) -> None:
        super().__init__()
        self.n_neurons, self.n_edges = n_neurons, n_edges
        self.register_buffer("pre", torch.zeros(n_edges, dtype=torch.int64))
        self.register_buffer("post", torch.zeros(n_edges, dtype=torch.int64))
        self._layout: tuple[tuple[int, ...], _Layout, _Layout] | None = None

    def connect(self, pre: Int[np.ndarray, " E"], post: Int[np.ndarray, " E"]) -> None:
        """Sets the edges.

        Raises:
            ValueError: If there are not as many as the model was made for, or one names a neuron
                that is not there.
        """
        ends = np.concatenate([pre, post])
        if len(pre) != self.n_edges or len(post) != self.n_edges:
            raise ValueError(f"{len(pre)} senders and {len(post)} receivers, {self.n_edges} edges")
        if len(ends) and not 0 <= ends.min() <= ends.max() < self.n_neurons:
            raise ValueError(
                f"edges name neurons {ends.min()}..{ends.max()}, but there are 0.."
                f"{self.n_neurons - 1}"
            )
        self.pre.copy_(torch.as_tensor(pre))
        self.post.copy_(torch.as_tensor(post))

    def forward(
        self, x: Float[Tensor, "B N"], external: Float[Tensor, "B N"]
    ) -> Float[Tensor, "B N"]:
        """Rate of change of every neuron.

        Args:
            x: Activity v.
            external: External input I, 0 where none arrives.
        """
        return self.update(x, self.message(self.sent(x)), external)

    def message(self, sent: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """Sum over edges into each neuron of W_e times what the sender sends."""
        forth, back = self._layouts()
        return _MessageSum.apply(self.weight, sent, forth, back)  # pyright: ignore[reportReturnType]

    def _layouts(self) -> tuple["_Layout", "_Layout"]:
        """Edges sorted by receiver and by sender; sorted anew only after they were changed."""
        ends = (self.pre, self.post)
        key = tuple(number for end in ends for number in (end.data_ptr(), end._version))
        if self._layout is None or self._layout[0] != key:
            forth = _Layout.of(self.pre, self.post, self.n_neurons)
            back = _Layout.of(self.post, self.pre, self.n_neurons)
            self._layout = (key, forth, back)
        return self._layout[1:]

    @abstractmethod
    def sent(self, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """Transfer function of every neuron at its own column of ``x``."""

    @abstractmethod
    def update(
        self,
        x: Float[Tensor, "B N"],
        message: Float[Tensor, "B N"],
        external: Float[Tensor, "B N"],
    ) -> Float[Tensor, "B N"]:
        """Rate of change of every neuron, given what arrives."""


def piecewise_linear(
    x: Float[Tensor, "..."], knots: Float[Tensor, " C"], values: Float[Tensor, " C"]
) -> Float[Tensor, "..."]:
    """The curve with these values at increasing knots, going on along its last pieces."""
    piece = torch.bucketize(x.detach(), knots[1:-1].contiguous(), right=True)
    left, right = knots[piece], knots[piece + 1]
    return torch.lerp(values[piece], values[piece + 1], (x - left) / (right - left))


class AffineGNN(SparseGNN):
    r"""What neurons receive acts linearly, and so does their leak.

    .. math:: \dot v_i = a_{i1} - a_{i2} v_i + a_{i3} \Big(\sum_e W_e\, g(v_{j(e)}) + I_i\Big)

    with g piecewise linear and shared by all neurons. The latent vector of a neuron are its drive
    at v = 0, its leak and its gain; 1 / leak is the time constant, drive / leak the resting
    potential.

    Args:
        n_neurons: Number of neurons ``N``.
        n_edges: Number of edges ``E``.
        n_knots: Knots ``C`` of the transfer function.
        generator: Not used; every model takes one.
    """

    knots: Float[Tensor, " C"]

    def __init__(
        self,
        n_neurons: int,
        *,
        n_edges: int,
        n_knots: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_neurons, n_edges=n_edges)
        self.arguments = {"n_neurons": n_neurons, "n_edges": n_edges, "n_knots": n_knots}
        self.weight = nn.Parameter(torch.zeros(n_edges))
        self.embedding = nn.Parameter(torch.ones(n_neurons, 3))  # drive, leak, gain
        self.register_buffer("knots", torch.linspace(0, 1, n_knots))
        self.values = nn.Parameter(torch.linspace(0, 1, n_knots))

    def sent(self, x: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """The piecewise linear g, going on along its last pieces beyond the knots."""
        return piecewise_linear(x, self.knots, self.values)

    def update(
        self,
        x: Float[Tensor, "B N"],
        message: Float[Tensor, "B N"],
        external: Float[Tensor, "B N"],
    ) -> Float[Tensor, "B N"]:
        """Drive, leak, and what arrives times the gain."""
        drive, leak, gain = self.embedding.T
        return drive - leak * x + gain * (message + external)


class GeneralGNN(SparseGNN):
    r"""The published form: two MLPs that see latent vectors.

    .. math:: \dot v_i = f\Big(v_i, a_i, \sum_e W_e\, g(v_{j(e)}, a_{j(e)})^2, I_i\Big)

    Source: the companion code of Allier, Lappalainen and Saalfeld, 2026; ``squared`` off gives g
    itself. Latent vectors start at one, weights from N(0, weight_scale² / E).

    Args:
        n_neurons: Number of neurons ``N``.
        n_edges: Number of edges ``E``.
        embedding_dim: Length ``D`` of the latent vectors.
        hidden: Width of the MLPs.
        n_layers: Linear layers of the MLPs.
        activation: Nonlinearity of the MLPs.
        squared: Whether messages are squared, hence not negative.
        weight_scale: Standard deviation of the initial weights times the root of their number.
        generator: Where initial parameters are drawn from; None for PyTorch's global state.
    """

    def __init__(
        self,
        n_neurons: int,
        *,
        n_edges: int,
        embedding_dim: int = 2,
        hidden: int = 80,
        n_layers: int = 3,
        activation: Literal["relu", "tanh", "silu"] = "relu",
        squared: bool = True,
        weight_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_neurons, n_edges=n_edges)
        self.arguments = {
            "n_neurons": n_neurons,
            "n_edges": n_edges,
            "embedding_dim": embedding_dim,
            "hidden": hidden,
            "n_layers": n_layers,
            "activation": activation,
            "squared": squared,
            "weight_scale": weight_scale,
        }
        self.squared = squared
        shape = {"hidden": hidden, "n_layers": n_layers, "activation": activation}
        self.embedding = nn.Parameter(torch.ones(n_neurons, embedding_dim))
        self.updating = MLP(3 + embedding_dim, **shape, generator=generator)  # f
        self.transfer = MLP(1 + embedding_dim, **shape, generator=generator)  # g
        weight = torch.randn(n_edges, generator=generator) * max(n_edges, 1) ** -0.5
        self.weight = nn.Parameter(weight_scale * weight)

    def sent(
        self, x: Float[Tensor, "B N"], *, embedding: Float[Tensor, "N D"] | None = None
    ) -> Float[Tensor, "B N"]:
        """g(v_j, a_j), squared where messages are.

        Args:
            x: Activity.
            embedding: Latent vectors in place of the model's own, such as ones without gradient.
        """
        a = (self.embedding if embedding is None else embedding).expand(*x.shape, -1)
        value = self.transfer(torch.cat([x[..., None], a], dim=-1))
        return value.square() if self.squared else value

    def update(
        self,
        x: Float[Tensor, "B N"],
        message: Float[Tensor, "B N"],
        external: Float[Tensor, "B N"],
    ) -> Float[Tensor, "B N"]:
        """f(v_i, a_i, message, I_i)."""
        a = self.embedding.expand(*x.shape, -1)
        seen = [x[..., None], a, message[..., None], external[..., None]]
        return self.updating(torch.cat(seen, dim=-1))


@dataclass(frozen=True)
class _Layout:
    """Edges in the order of a sparse matrix whose rows are their sinks.

    Attributes:
        source: Where each edge starts, in the model's order of edges.
        sink: Where it ends.
        order: Edge of each entry of the matrix.
        columns: Source of each entry.
        starts: First entry of each row, and their number.
    """

    source: Int[Tensor, " E"]
    sink: Int[Tensor, " E"]
    order: Int[Tensor, " E"]
    columns: Int[Tensor, " E"]
    starts: Int[Tensor, " N+1"]

    @classmethod
    def of(cls, source: Tensor, sink: Tensor, n_neurons: int) -> "_Layout":
        order = torch.argsort(sink * n_neurons + source)
        counts = torch.bincount(sink, minlength=n_neurons)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(source, sink, order, source[order], starts)

    def spread(self, weight: Float[Tensor, " E"], values: Float[Tensor, "B N"]) -> Tensor:
        """Products of edges with the values at their source, summed at their sink: ``(B, N)``."""
        n_neurons = values.shape[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that CSR tensors are in beta state
            matrix = torch.sparse_csr_tensor(
                self.starts,
                self.columns,
                weight[self.order],
                (n_neurons, n_neurons),
                check_invariants=False,
            )
        return (matrix @ values.T).T.contiguous()


class _MessageSum(torch.autograd.Function):
    """Sparse W times what is sent, without a number per edge and frame in the forward pass."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, sent: Tensor, forth: _Layout, back: _Layout) -> Tensor:
        ctx.save_for_backward(weight, sent)
        ctx.forth, ctx.back = forth, back
        return forth.spread(weight, sent)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, sent = ctx.saved_tensors
        forth: _Layout = ctx.forth
        for_weight = for_sent = None
        if ctx.needs_input_grad[0]:
            for_weight = torch.zeros_like(weight)
            for one_grad, one_sent in zip(grad, sent, strict=True):
                for_weight.addcmul_(one_grad[forth.sink], one_sent[forth.source])
        if ctx.needs_input_grad[1]:
            for_sent = ctx.back.spread(weight, grad)
        return for_weight, for_sent, None, None
