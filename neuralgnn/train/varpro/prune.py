r"""A sparse W: connections that are not found are dropped. Axes: T frames, N neurons.

Least squares leaves no weight exactly zero. With residuals of variance :math:`v_i` and G the Gram
matrix of what the senders send,

.. math:: \mathrm{var}\, \hat W_{ij} = v_i \left( [G^{-1}]_{jj} -
    [G^{-1}]_{ij}^2 / [G^{-1}]_{ii} \right),

the second term being what the constraint :math:`W_{ii} = 0` gives back. The connections that the
false-discovery rule finds (:mod:`neuralgnn.models.connections`) are solved for again, every row on
its own senders and without ridge, so that dropping the others biases nothing; the rest are zero.
"""

__all__ = ["prune_weights"]

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.connections import Null, found_graph, two_groups, z_scores
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.rows import GramFactor

_FRAME_BLOCK = 256


@torch.no_grad()
def prune_weights(
    model: AssemblyGNN,
    train: Samples,
    *,
    ridge: float,
    false_discovery_rate: float,
    null: Null,
) -> float:
    """Drops the connections of a fitted model that are not found, in place.

    Args:
        model: Model whose psi does not depend on the receiver.
        train: Frames to solve with.
        ridge: Relative ridge that its W was solved with.
        false_discovery_rate: Expected share of false connections among those that are kept.
        null: Where share and width of absent connections come from.

    Returns:
        The share of pairs that keep a weight.
    """
    blocks = train.x.split(_FRAME_BLOCK)
    sent = torch.cat([model.sent(x) for x in blocks]).double()
    update = torch.cat([model.self_update(x) for x in blocks])
    target = (train.y - update).double()
    gram, moments = sent.T @ sent, sent.T @ target
    factor = GramFactor.of_gram(gram.clone(), ridge=ridge, n_samples=len(sent))
    weight = model.weight.double()
    errors = _standard_errors(sent, target, weight, factor).cpu().numpy()
    values = weight.cpu().numpy()
    different = ~np.eye(len(values), dtype=bool)
    found, _ = found_graph(
        values,
        errors,
        false_discovery_rate=false_discovery_rate,
        groups=two_groups(z_scores(values, errors)[different], null=null),
    )
    model.weight.copy_(_solve_found(gram, moments, torch.from_numpy(found)))
    return float(found[different].mean())


def _standard_errors(
    sent: Float[Tensor, "T N"],
    target: Float[Tensor, "T N"],
    weight: Float[Tensor, "N N"],
    factor: GramFactor,
) -> Float[Tensor, "N N"]:
    """Standard error of every weight, the row being the receiver's."""
    squares = sum(
        (z - p @ weight.T).square().sum(0)
        for p, z in zip(sent.split(2048), target.split(2048), strict=True)
    )
    assert isinstance(squares, Tensor)
    variance = squares / max(1, len(sent) - len(weight))
    inverse = factor.inverse
    own = inverse.diagonal()
    spread = (own[None, :] - inverse.square() / own[:, None]).clamp_min(0)
    return (variance[:, None] * spread).sqrt()


def _solve_found(
    gram: Float[Tensor, "N N"], moments: Float[Tensor, "N N"], found: Bool[Tensor, "N N"]
) -> Float[Tensor, "N N"]:
    """Least squares of every row on the senders that were found for it; zeros elsewhere."""
    weight = torch.zeros_like(gram)
    # Senders that hardly fire make a row's block singular in rounding; this much changes nothing.
    floor = len(gram) * torch.finfo(gram.dtype).eps * gram.diagonal().mean()
    for receiver, present in enumerate(found):
        senders = present.nonzero()[:, 0].to(gram.device)
        if not len(senders):
            continue
        block = gram[senders][:, senders]
        block.diagonal().add_(floor)
        solved = torch.linalg.solve(block, moments[senders, receiver])
        weight[receiver, senders] = solved
    return weight
