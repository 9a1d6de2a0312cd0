r"""Predictions for a network that was never recorded. Axes: N neurons, S starts.

Connections are removed and neurons change their type; does the fitted model follow? Two variants:

``learned``
    The learned weights, with the same connections removed as in the true network, and for each
    neuron the latent vector of the medoid of the cluster that stands for its new type. Nothing
    but the fit enters. In the canonical gauge a neuron takes over phi with its absorbed offset,

    .. math:: \dot x_i = \phi_{m(i)}(x_i) + \sum_j M_{ij} W_{ij}\, \psi_j(x_j), \quad \psi(0) = 0,

    because with other connections the offsets in the model's own gauge would no longer cancel.
    What a receiver's type does to its *gain* is part of W and stays.
``published``
    New true weights are drawn, and the model is given *them*, times one scale (the slope of raw
    learned on true weights), with the latent vector of a random neuron of the new type. This
    tests the functions only. Source: published code of Allier et al. 2026; there offsets stay
    where they are, here they are absorbed as above, or a model whose psi(0) is not zero would
    be off by what its old connections sent at rest.
"""

__all__ = ["NetworkChange", "assign_blocks", "learned_variant", "published_variant"]

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neuralgnn.analyse.gauge import Canonical
from neuralgnn.analyse.rollout import Drift, learned_drift
from neuralgnn.models.assembly import AssemblyGNN


@dataclass(frozen=True, kw_only=True)
class NetworkChange:
    """How a network is changed.

    Attributes:
        types: New type of each neuron, by the numbers of the recording's types.
        kept: Which connections stay in the ``learned`` variant, ``kept[i, j]`` from j to i.
        new_weight: Newly drawn true weights of the ``published`` variant; None: not made.
        filling: Share of the connections that is kept [1].
        type_fractions: Share of each type [1].
    """

    types: Int[np.ndarray, " N"]
    kept: Bool[np.ndarray, "N N"]
    new_weight: Float[np.ndarray, "N N"] | None
    filling: float
    type_fractions: Sequence[float]


def assign_blocks(n_neurons: int, fractions: Sequence[float]) -> Int[np.ndarray, " N"]:
    """Types in contiguous blocks of the given shares."""
    ends = np.round(np.cumsum(fractions) * n_neurons).astype(np.int64)
    ends[-1] = n_neurons
    return np.searchsorted(ends, np.arange(n_neurons), side="right")


def learned_variant(
    model: AssemblyGNN,
    fitted: Canonical,
    *,
    kept: Bool[np.ndarray, "N N"],
    sources: Int[np.ndarray, " N"],
) -> Drift:
    """Rate of change of the changed network by what was learned alone.

    Args:
        model: The model; it is not changed.
        fitted: The same model in the canonical gauge.
        kept: Connections that stay.
        sources: For each neuron the neuron whose function it takes over.
    """
    weight = model.weight.detach() * torch.tensor(kept).to(model.weight)
    return _changed_drift(model, fitted, weight=weight, sources=sources)


def published_variant(
    model: AssemblyGNN,
    fitted: Canonical,
    *,
    new_weight: Float[np.ndarray, "N N"],
    scale: float,
    sources: Int[np.ndarray, " N"],
) -> Drift:
    """Rate of change of the model with true weights put in.

    Args:
        model: The model; it is not changed.
        fitted: The same model in the canonical gauge.
        new_weight: True weights of the changed network.
        scale: Slope of the model's raw weights on the true ones.
        sources: For each neuron the neuron whose function it takes over.
    """
    weight = torch.tensor(new_weight * scale).to(model.weight)
    return _changed_drift(model, fitted, weight=weight, sources=sources)


def _changed_drift(
    model: AssemblyGNN,
    fitted: Canonical,
    *,
    weight: Float[Tensor, "N N"],
    sources: Int[np.ndarray, " N"],
) -> Drift:
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.embedding.copy_(model.embedding[torch.tensor(sources)])
        changed.weight.copy_(weight)
        offset = torch.tensor(fitted.absorbed[sources]).to(weight)
        offset -= changed.inflow(weight.new_zeros(1, len(weight)))[0]
    return learned_drift(changed, offset=offset)
