r"""Connectivity without a graph network, for comparison. Axes: T frames, N neurons.

Every function takes activity x and rate of change y and returns W, W[i, j] acting from j on i,
with a zero diagonal. What each knows:

* :func:`correlation`: nothing; symmetric by construction.
* :func:`ridge_var`: that y is linear in x. Vector autoregression with a ridge.
* :func:`known_transfer`: psi, and the form of phi. The ceiling of what regression can do;
  a network that learns psi and phi is to be compared with it, not with correlation.
"""

__all__ = ["correlation", "known_transfer", "ridge_var"]

from collections.abc import Callable

import numpy as np
import scipy.linalg
from jaxtyping import Float


def correlation(x: Float[np.ndarray, "T N"]) -> Float[np.ndarray, "N N"]:
    """Pearson correlation of the activities."""
    return _without_diagonal(np.asarray(np.corrcoef(x.T.astype(np.float64))))


def ridge_var(
    x: Float[np.ndarray, "T N"], y: Float[np.ndarray, "T N"], *, ridge: float = 1e-6
) -> Float[np.ndarray, "N N"]:
    """Linear regression of y on x and a constant.

    Args:
        x: Activity.
        y: Rate of change [activity/time unit].
        ridge: Ridge relative to the mean variance of the activities [1].
    """
    centred = x - x.mean(axis=0, dtype=np.float64)
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    moments = centred.T @ (y - y.mean(axis=0, dtype=np.float64))
    weight = scipy.linalg.solve(gram, moments, assume_a="pos")  # (pre, post)
    return _without_diagonal(weight.T)


def known_transfer(
    x: Float[np.ndarray, "T N"],
    y: Float[np.ndarray, "T N"],
    *,
    transfer: Callable[[np.ndarray], np.ndarray] = np.tanh,
) -> Float[np.ndarray, "N N"]:
    r"""Least squares with known psi: the effective weights, exact on noise-free activity.

    .. math:: y_i \sim \sum_{j \ne i} W_{ij} \psi(x_j) + s_i \psi(x_i) - \lambda_i x_i + b_i

    The first two sums share their columns P between all receivers, so P is factored once (QR);
    the column :math:`x_i` of each receiver is brought in by eliminating P from it.

    Args:
        x: Activity; more frames than neurons.
        y: Rate of change [activity/time unit].
        transfer: psi, elementwise.

    Raises:
        ValueError: If there are not more frames than unknowns of a neuron.
    """
    n_frames, n_neurons = x.shape
    if n_frames < n_neurons + 2:
        raise ValueError(
            f"{n_frames} frames for {n_neurons + 2} unknowns per neuron: least squares needs at "
            "least as many frames"
        )
    sent = transfer(x.astype(np.float64))
    sent -= sent.mean(axis=0)  # centring all takes the constant out
    basis, triangle = np.linalg.qr(sent)
    own = x - x.mean(axis=0, dtype=np.float64)
    rate = y - y.mean(axis=0, dtype=np.float64)
    own_seen, rate_seen = basis.T @ own, basis.T @ rate  # (N, N)
    own -= basis @ own_seen
    slope = (own * rate).sum(axis=0) / (own**2).sum(axis=0)  # -decay
    weight = scipy.linalg.solve_triangular(triangle, rate_seen - own_seen * slope)  # (pre, post)
    return _without_diagonal(weight.T)


def _without_diagonal(weight: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    weight = np.array(weight)
    np.fill_diagonal(weight, 0.0)
    return weight
