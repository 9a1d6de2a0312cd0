"""Cell types from learned constants, without labels. Axes: N neurons, F features.

Features of a neuron are its time constant, resting potential, and mean and standard deviation of
its in- and out-weights, unscaled, as published; latent vectors come first where they are not
functions of those. The published number of mixture components, 100, lies above that of the types,
so that even true features do not reach accuracy 1: their score is the ceiling.
"""

__all__ = ["cell_features", "cluster_by_bic", "cluster_published", "scaled_features"]

import warnings

import numpy as np
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.data.graph import Graph

_PUBLISHED = 100
_SEED = 42
_MOST = 5000  # neurons that the number of components is chosen on


def cell_features(
    constants: Constants, graph: Graph, *, latent: Float[np.ndarray, "N D"] | None = None
) -> Float[np.ndarray, "N F"]:
    """Features of every neuron; 0 where it has no edges."""
    columns = [constants.time_constant, constants.resting_potential]
    for ends in (graph.post, graph.pre):
        count = np.maximum(np.bincount(ends, minlength=graph.n_neurons), 1)
        mean = np.bincount(ends, weights=constants.weight, minlength=graph.n_neurons) / count
        deviation = constants.weight - mean[ends]
        square = np.bincount(ends, weights=deviation**2, minlength=graph.n_neurons) / count
        columns += [mean, np.sqrt(square)]
    features = np.column_stack(columns)
    return features if latent is None else np.column_stack([latent, features])


def cluster_published(
    features: Float[np.ndarray, "N F"], *, n_components: int = _PUBLISHED
) -> Int[np.ndarray, " N"]:
    """Labels by the published mixture: 100 full covariances, seed 42, features unscaled."""
    n_components = min(n_components, len(features))
    return _mixture(n_components).fit_predict(features)


def cluster_by_bic(
    features: Float[np.ndarray, "N F"], *, candidates: tuple[int, ...] = (40, 50, 65, 80, 100)
) -> Int[np.ndarray, " N"]:
    """Labels by the mixture with the least Bayesian information criterion, features scaled."""
    scaled = scaled_features(features)
    rows = np.random.default_rng(_SEED).permutation(len(scaled))[:_MOST]
    some = scaled[np.sort(rows)]
    candidates = tuple(n for n in candidates if 3 * n <= len(some)) or (1,)
    fits = [_mixture(n).fit(some) for n in candidates]
    return min(fits, key=lambda fit: fit.bic(some)).predict(scaled)


def scaled_features(features: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
    """Features of mean zero and standard deviation one."""
    spread = features.std(0)
    return (features - features.mean(0)) / np.where(spread > 0, spread, 1.0)


def _mixture(n_components: int) -> "_Quiet":
    return _Quiet(n_components, covariance_type="full", random_state=_SEED)


class _Quiet(GaussianMixture):
    """Whether a mixture is fully converged does not matter to a partition."""

    def fit_predict(self, X: np.ndarray, y: None = None) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit_predict(X, y)
