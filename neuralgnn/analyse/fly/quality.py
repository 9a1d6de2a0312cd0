r"""What a fit on a graph says of its own numbers. Axes: N neurons, E edges.

Without noise a solve with a ridge finds :math:`b - S^{-1} P b` for coefficients b: what the data
do not decide of a weight stays at zero, and what it did to the neuron is taken over by others. A
neuron that is always above threshold and connected to itself cannot be told from one with a
smaller leak; its resting potential is then wrong by as much. Ceilings are what is to be expected
where the truth is known.
"""

__all__ = ["EdgeQuality", "NeuronQuality", "edge_quality", "neuron_quality"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.analyse.fly.scores import Metrics, ceiling_r2
from neuralgnn.data.graph import Graph
from neuralgnn.models.sparse import AffineGNN, SparseGNN

_BOUND = "unbiased_error"
_RESOLVED = 0.99  # share of a weight that the data decide, above which it counts as identifiable


@dataclass(frozen=True)
class EdgeQuality:
    """What a fit says of its own weights, in the scale of the fly's equation.

    Attributes:
        error: Standard error; NaN where the trainer gives none.
        unbiased_error: The same without prior (Cramér-Rao).
        resolution: Share of the weight that the data decide, 0 .. 1.
        log_odds: Natural logarithm of the odds that the edge is real; None: all count as real.
        activity_log_odds: What the activity alone contributes to them.
    """

    error: Float[np.ndarray, " E"]
    unbiased_error: Float[np.ndarray, " E"]
    resolution: Float[np.ndarray, " E"]
    log_odds: Float[np.ndarray, " E"] | None = None
    activity_log_odds: Float[np.ndarray, " E"] | None = None

    @property
    def known(self) -> Bool[np.ndarray, " E"]:
        """Edges whose weight the data decide."""
        return self.resolution > _RESOLVED

    def expected_error(self, true: Float[np.ndarray, " E"]) -> Float[np.ndarray, " E"]:
        """Errors to be expected: the share that the data do not decide stays at zero."""
        undecided = (1 - self.resolution) * np.abs(true)
        return np.hypot(np.where(np.isfinite(self.error), self.error, 0.0), undecided)


def edge_quality(model: SparseGNN, graph: Graph, extra: Mapping[str, Any]) -> EdgeQuality:
    """Takes what a fit says of its weights to the scale of the fly's equation.

    Args:
        model: The model.
        graph: Its edges.
        extra: ``weight_error``, ``unbiased_error`` and ``resolution`` of every edge, if known;
            ``edge_log_odds`` and ``activity_log_odds`` where edges were doubted.
    """
    unknown = np.full(graph.n_edges, np.nan)
    if "weight_error" not in extra or not isinstance(model, AffineGNN):
        return EdgeQuality(unknown, unknown, np.ones(graph.n_edges))
    _, leak, gain = model.embedding.detach().cpu().double().numpy().T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.abs(gain / leak)[graph.post]
    unbiased = extra[_BOUND].double().numpy() * scale if _BOUND in extra else unknown
    error, resolution = (extra[name].double().numpy() for name in ("weight_error", "resolution"))
    odds = (extra.get(name) for name in ("edge_log_odds", "activity_log_odds"))
    odds = (None if each is None else each.double().numpy() for each in odds)
    return EdgeQuality(error * scale, unbiased, resolution, *odds)


@dataclass(frozen=True)
class NeuronQuality:
    """What a fit says of its time constants and resting potentials.

    Attributes:
        leak_error: Standard error of 1 / time constant [1/s].
        rest_error: Standard error of the resting potential.
        leak_share: What the leak takes over of each weight over time constant, per unit of it.
        drive_share: The same of resting potential over time constant.
    """

    leak_error: Float[np.ndarray, " N"]
    rest_error: Float[np.ndarray, " N"]
    leak_share: Float[np.ndarray, " E"]
    drive_share: Float[np.ndarray, " E"]

    def ceilings(self, true: Constants, graph: Graph) -> Metrics:
        """R² of time constants and resting potentials to be expected."""
        leak = 1 / true.time_constant
        rate = true.weight * leak[graph.post]
        found_leak = leak + self._taken(self.leak_share * rate, graph)
        found_drive = true.resting_potential * leak + self._taken(self.drive_share * rate, graph)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = {
                "time_constant": (1 / found_leak, self.leak_error / found_leak**2),
                "resting_potential": (found_drive / found_leak, self.rest_error),
            }
        ceilings = {}
        for name, (value, error) in expected.items():
            wanted = getattr(true, name)
            off = np.hypot(value - wanted, np.where(np.isfinite(error), error, 0.0))
            ceilings[f"{name}_r2"] = ceiling_r2(off, wanted)
        return ceilings

    @staticmethod
    def _taken(each: Float[np.ndarray, " E"], graph: Graph) -> Float[np.ndarray, " N"]:
        return np.bincount(graph.post, weights=each, minlength=graph.n_neurons)


def neuron_quality(extra: Mapping[str, Any]) -> NeuronQuality | None:
    """Takes what a fit says of its neurons from its checkpoint; None if it says nothing."""
    names = ("leak_error", "rest_error", "leak_share", "drive_share")
    if any(name not in extra for name in names):
        return None
    return NeuronQuality(*(extra[name].double().numpy() for name in names))
