"""Cluster-and-retrain: neurons that act alike get one latent vector. Axes: N neurons, G grid.

The published step relabels its clusters by the *true* type of their members. Here nothing but
the learned update functions decides.
"""

__all__ = ["join_alike"]

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.clustering import cluster_rows

_MAX_CLUSTERS = 40
_MIN_SHARE = 0.005


def join_alike(
    model: AssemblyGNN,
    grid: Float[Tensor, " G"],
    *,
    n_steps: int,
    learning_rate: float,
    seed: int,
) -> Int[np.ndarray, " N"]:
    """Clusters the update functions, joins latent vectors, refits phi; returns the labels.

    1. Cluster the curves phi(a_i, x) on a grid of activity, without labels.
    2. Every a_i becomes the component-wise median of its cluster.
    3. Phi is fitted to the point-wise median curve of each cluster, so that the change of a_i
       does not move what was learned; the best of the steps is kept.

    Source: published code of Allier et al. 2026, with its UMAP and its labels replaced.

    Args:
        model: Changed in place.
        grid: Activities that the curves are compared at [activity].
        n_steps: Adam steps of the refit.
        learning_rate: Learning rate of the first of them, falling to zero.
        seed: Seed of the clustering.
    """
    with torch.no_grad():
        curves = model.update_curves(grid)  # (N, G)
        labels = cluster_rows(
            curves.cpu().double().numpy(),
            max_clusters=_MAX_CLUSTERS,
            min_share=_MIN_SHARE,
            seed=seed,
        )
        first = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
        members = [torch.from_numpy(labels == label).to(curves.device) for label in labels[first]]
        goal = torch.stack([curves[here].median(dim=0).values for here in members])  # (K, G)
        for here in members:
            model.embedding[here] = model.embedding[here].median(dim=0).values
    share = torch.stack([here.sum() for here in members]).sqrt()[:, None]  # (K, 1)
    _refit_update(model, grid, first, goal, share, n_steps=n_steps, learning_rate=learning_rate)
    return labels


def _refit_update(
    model: AssemblyGNN,
    grid: Float[Tensor, " G"],
    representatives: list[int],
    goal: Float[Tensor, "K G"],
    share: Float[Tensor, "K 1"],
    *,
    n_steps: int,
    learning_rate: float,
) -> None:
    """Moves phi of one neuron per cluster towards the goal; the others follow, having its a."""
    adam = torch.optim.Adam(model.update.parameters(), lr=learning_rate)
    a = model.embedding.detach()[representatives]  # (K, D)
    x = (grid / model.activity_scale)[None, :, None].expand(len(a), -1, 1)  # (K, G, 1)
    inputs = torch.cat([x, a[:, None].expand(-1, len(grid), -1)], dim=-1)  # (K, G, 1 + D)
    best, kept = float("inf"), model.update.state_dict()
    for step in range(n_steps + 1):
        # A cluster counts as often as it has neurons, as if all of them had been evaluated.
        loss = (share * (model.update(inputs) - goal)).norm()
        if (value := float(loss.detach())) < best:
            best, kept = value, deepcopy(model.update.state_dict())
        adam.param_groups[0]["lr"] = learning_rate * (1 - step / max(n_steps, 1))
        adam.zero_grad()
        loss.backward()
        adam.step()
    # Adam's first steps are of full length however small the error is, and can leave a phi that
    # was nearly right worse than it was.
    model.update.load_state_dict(kept)
    model.zero_grad()
