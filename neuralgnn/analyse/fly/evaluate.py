"""A model on given edges as a fast function of arrays. Axes: T frames, N neurons, G points."""

__all__ = ["FastModel", "VoltageRange", "voltage_range"]

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float, Float32

from neuralgnn.data.graph import Graph
from neuralgnn.data.recording import Recording
from neuralgnn.models.sparse import SparseGNN


@dataclass(frozen=True)
class VoltageRange:
    """Mean and standard deviation (unbiased) of each neuron's activity over training frames."""

    mean: Float[np.ndarray, " N"]
    deviation: Float[np.ndarray, " N"]

    def points(
        self, n_points: int, *, low: Float[np.ndarray, " N"] | None = None
    ) -> Float32[np.ndarray, "G N"]:
        """Evenly spaced activities over mean ± 2 standard deviations, or from ``low`` on."""
        start = self.mean - 2 * self.deviation if low is None else low
        share = np.linspace(0, 1, n_points)[:, None]
        stop = self.mean + 2 * self.deviation
        return (start + share * (stop - start)).astype(np.float32)


def voltage_range(recording: Recording, frames: range, *, block: int = 500) -> VoltageRange:
    """Statistics over the given frames, read block by block."""
    total = np.zeros(recording.n_neurons)
    square = np.zeros(recording.n_neurons)
    shift = recording.activity(frames[:1]).astype(np.float64)[0]
    for start in range(0, len(frames), block):
        x = recording.activity(frames[start : start + block]).astype(np.float64) - shift
        total += x.sum(0)
        square += (x**2).sum(0)
    mean = total / len(frames)
    variance = (square - len(frames) * mean**2) / max(len(frames) - 1, 1)
    return VoltageRange(mean + shift, np.sqrt(np.maximum(variance, 0)))


class FastModel:
    """A model with its sparse matrix built once.

    Args:
        model: The model.
        graph: Its edges.
        kept: Edges that act, by default all; the others are silent.
    """

    def __init__(self, model: SparseGNN, graph: Graph, *, kept: np.ndarray | None = None) -> None:
        weight = model.weight.detach().cpu().numpy().astype(np.float32)
        if kept is not None:
            weight = np.where(kept, weight, np.float32(0))
        self.model = model
        self.matrix: scipy.sparse.csr_array = graph.matrix(weight)

    def message(self, x: Float32[np.ndarray, "T N"]) -> Float32[np.ndarray, "T N"]:
        """What arrives at every neuron over its edges."""
        with torch.no_grad():
            sent = self.model.sent(torch.from_numpy(x)).numpy()
        return np.ascontiguousarray((self.matrix @ np.ascontiguousarray(sent.T)).T)

    def rate(
        self, x: Float32[np.ndarray, "T N"], external: Float32[np.ndarray, "T N"]
    ) -> Float32[np.ndarray, "T N"]:
        """Rate of change of every neuron [activity/time unit]."""
        arriving = (x, self.message(x), external)
        with torch.no_grad():
            return self.model.update(*map(torch.from_numpy, arriving)).numpy()
