r"""Update functions of all neurons through latent vectors.

Axes: N neurons, K spline coefficients, D latent dimensions.

The row solves leave for each neuron spline coefficients ``d_i`` of its update function and their
information ``S_i`` (the Schur complement: how sharply the data determine each combination). Here
they are replaced by

.. math:: d_i \approx m + F a_i, \qquad \min \sum_i (d_i - m - F a_i)' S_i (d_i - m - F a_i),

the maximum-likelihood curves of which ``D`` numbers per neuron tell everything. Weighting by the
information matters: what a neuron never visits says nothing, and is filled in by those that do.
"""

__all__ = ["LatentCurves", "fit_latent_curves"]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class LatentCurves:
    """Mean curve, latent directions and latent vectors, ``d_i = mean + directions a_i``."""

    mean: Float[Tensor, " K"]
    directions: Float[Tensor, "K D"]
    latent: Float[Tensor, "N D"]

    def coefficients(self) -> Float[Tensor, "N K"]:
        """Spline coefficients of every neuron."""
        return self.mean + self.latent @ self.directions.T


def fit_latent_curves(
    coefficients: Float[Tensor, "N K"],
    information: Float[Tensor, "N K K"],
    *,
    n_latent: int,
    n_iterations: int = 50,
) -> LatentCurves:
    """Fits ``n_latent`` numbers per neuron by alternating weighted least squares.

    Latent vectors come out with zero mean, uncorrelated, and with a spread of one in every
    dimension that differs between neurons, so that clusters show in all of them.
    """
    n_latent = min(n_latent, coefficients.shape[0] - 1, coefficients.shape[1])
    pooled = information.mean(0)
    ridge = 1e-9 * pooled.diagonal().mean() * torch.eye(len(pooled)).to(pooled)
    info = information + ridge
    pooled = pooled + ridge
    mean = torch.linalg.solve(info.sum(0), (info @ coefficients[:, :, None]).sum(0))[:, 0]
    # Deviations shrunk to zero in directions that a neuron's own data do not determine.
    deviation = (info @ (coefficients - mean)[:, :, None])[:, :, 0]
    deviation = torch.linalg.solve(info + 1e-3 * pooled, deviation)  # (N, K)
    root = torch.linalg.cholesky(pooled)
    _, _, axes = torch.linalg.svd(deviation @ root, full_matrices=False)
    directions = torch.linalg.solve(root.T, axes[:n_latent].T)  # (K, D)
    latent = coefficients.new_zeros(len(coefficients), n_latent)
    for _ in range(n_iterations):
        latent = _latent_given(coefficients, info, mean, directions)
        mean, directions = _directions_given(coefficients, info, latent)
    return _standardised(LatentCurves(mean, directions, latent), pooled)


def _latent_given(d: Tensor, info: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    weighted = info @ directions  # (N, K, D)
    normal = directions.T @ weighted
    normal = normal + 1e-9 * normal.diagonal(dim1=1, dim2=2).mean() * torch.eye(
        normal.shape[1]
    ).to(d)
    return torch.linalg.solve(normal, (weighted.mT @ (d - mean)[:, :, None]))[:, :, 0]


def _directions_given(d: Tensor, info: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
    sides = torch.cat([torch.ones_like(latent[:, :1]), latent], dim=1)  # (N, 1 + D)
    n_sides, n_coefficients = sides.shape[1], d.shape[1]
    normal = torch.einsum("np,nq,nkl->pkql", sides, sides, info)
    normal = normal.reshape(n_sides * n_coefficients, -1)
    rhs = torch.einsum("np,nkl,nl->pk", sides, info, d).flatten()
    normal.diagonal().add_(1e-12 * normal.diagonal().mean())
    columns = torch.linalg.solve(normal, rhs).reshape(n_sides, n_coefficients)
    return columns[0], columns[1:].T


def _standardised(curves: LatentCurves, pooled: Tensor) -> LatentCurves:
    """The same curves with uncorrelated latent vectors of zero mean and unit spread."""
    shift = curves.latent.mean(0)
    mean = curves.mean + curves.directions @ shift
    deviation = (curves.latent - shift) @ curves.directions.T  # (N, K), rank D
    root = torch.linalg.cholesky(pooled)
    scores, spread, axes = torch.linalg.svd(deviation @ root, full_matrices=False)
    n_latent = curves.latent.shape[1]
    scores, spread, axes = scores[:, :n_latent], spread[:n_latent], axes[:n_latent]
    # Below this spread a dimension is the noise of the fit; blowing it up would hide clusters.
    unit = spread.clamp_min(1e-3 * spread[0]) / len(scores) ** 0.5
    sign = torch.where(scores.sum(0) + (scores**3).sum(0) >= 0, 1.0, -1.0).to(scores)
    latent = scores * spread / unit * sign
    directions = torch.linalg.solve(root.T, axes.T) * unit * sign
    return LatentCurves(mean, directions, latent)
