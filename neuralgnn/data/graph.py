"""Which neuron may act on which, as stored beside a recording. Axes: N neurons, E edges."""

__all__ = ["Graph"]

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.sparse
import xarray as xr
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph:
    """The graph that a model is given: directed edges, and where neurons are on the lattice.

    Attributes:
        pre: Sending neuron of each edge.
        post: Receiving neuron of each edge.
        n_neurons: Number of neurons ``N``.
        u: First axial hexagonal coordinate of each neuron's column; None: no places are known.
        v: Second axial coordinate.

    Raises:
        ValueError: If pre and post differ in length, an edge names a neuron that is not there,
            or an edge occurs twice.
    """

    pre: Int[np.ndarray, " E"]
    post: Int[np.ndarray, " E"]
    n_neurons: int
    u: Int[np.ndarray, " N"] | None = None
    v: Int[np.ndarray, " N"] | None = None

    def __post_init__(self) -> None:
        if self.pre.shape != self.post.shape or self.pre.ndim != 1:
            raise ValueError(
                f"pre has shape {self.pre.shape} and post {self.post.shape}; both need one entry "
                "per edge"
            )
        if not self.n_edges:
            return
        ends = np.concatenate([self.pre, self.post])
        if ends.min() < 0 or ends.max() >= self.n_neurons:
            raise ValueError(
                f"edges name neurons {ends.min()}..{ends.max()}, but there are 0.."
                f"{self.n_neurons - 1}"
            )
        key = np.sort(self.post.astype(np.int64) * self.n_neurons + self.pre)
        if twice := int((np.diff(key) == 0).sum()):
            raise ValueError(f"{twice} edges occur twice; sum their weights into one edge each")

    @property
    def n_edges(self) -> int:
        """Number of edges ``E``."""
        return len(self.pre)

    @cached_property
    def by_post(self) -> Int[np.ndarray, " E"]:
        """Edge numbers sorted by receiver, and by sender within a receiver."""
        return np.lexsort((self.pre, self.post))

    @cached_property
    def indptr(self) -> Int[np.ndarray, " N+1"]:
        """Where each receiver's edges start in :attr:`by_post`, and where the last one's end."""
        counts = np.bincount(self.post, minlength=self.n_neurons)
        return np.concatenate([[0], np.cumsum(counts)])

    def in_edges(self, neuron: int) -> Int[np.ndarray, " K"]:
        """Numbers of the edges that a neuron receives, by rising sender."""
        return self.by_post[self.indptr[neuron] : self.indptr[neuron + 1]]

    def matrix(self, weight: Float[np.ndarray, " E"]) -> scipy.sparse.csr_array:
        """Sparse W with ``W[post, pre] = weight`` in the edges' order, ``(N, N)``.

        Raises:
            ValueError: If there is not one weight per edge.
        """
        if weight.shape != self.pre.shape:
            raise ValueError(f"weight has shape {weight.shape} for {self.n_edges} edges")
        index = np.int32 if self.n_edges < 2**31 else np.int64  # half the bytes, half the time
        columns, starts = self.pre[self.by_post].astype(index), self.indptr.astype(index)
        shape = (self.n_neurons, self.n_neurons)
        return scipy.sparse.csr_array((weight[self.by_post], columns, starts), shape=shape)

    def to_dataset(self) -> xr.Dataset:
        """As it is stored: ``pre(edge)``, ``post(edge)``, ``u(neuron)``, ``v(neuron)``."""
        variables = {
            "pre": ("edge", self.pre.astype(np.int32), _about("sending neuron")),
            "post": ("edge", self.post.astype(np.int32), _about("receiving neuron")),
        }
        if self.u is not None and self.v is not None:
            variables["u"] = ("neuron", self.u.astype(np.int32), _about("axial coordinate u"))
            variables["v"] = ("neuron", self.v.astype(np.int32), _about("axial coordinate v"))
        about = {"n_neurons": self.n_neurons, "n_edges": self.n_edges}
        return xr.Dataset(variables, attrs=about)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Reads back what :meth:`to_dataset` made."""
        return cls(
            pre=dataset["pre"].values.astype(np.int64),
            post=dataset["post"].values.astype(np.int64),
            n_neurons=int(dataset.attrs["n_neurons"]),
            u=dataset["u"].values.astype(np.int64) if "u" in dataset else None,
            v=dataset["v"].values.astype(np.int64) if "v" in dataset else None,
        )


def _about(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
