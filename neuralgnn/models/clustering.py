"""Groups of neurons that look alike, found without labels. Axes: N rows, F features, D components.

Rows are update curves or latent vectors. A good fit makes clusters that are nearly points, a poor
one clouds that touch, so the model is a Gaussian mixture whose covariances cannot fall below a
hundredth of the rows' spread:

1. centre, divide by the overall spread (one number: columns share a unit, and scaling each by
   itself would blow up those where all rows agree), keep the leading principal components;
2. start one mixture per number of clusters from Ward's tree, which finds 32 tight groups where
   random starts miss some; choose by the Bayesian information criterion (Schwarz 1978);
3. join clusters without a valley of density between them (the criterion splits clouds that are
   not Gaussian), then clusters below a share of the rows into their nearest neighbour.
"""

__all__ = ["cluster_rows", "in_order"]

import warnings

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import cut_tree, ward
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

_FLOOR = 0.01  # smallest standard deviation of a cluster, in units of the rows' spread
_MAX_COMPONENTS = 6
_MAX_ROWS = 2_000  # rows that the number of clusters is chosen on
_VALLEY = 0.7  # density between two clusters, relative to the lower peak, that joins them


def cluster_rows(
    features: Float[np.ndarray, "N F"],
    *,
    max_clusters: int,
    min_share: float,
    seed: int,
    floor: float = _FLOOR,
    max_components: int = _MAX_COMPONENTS,
    max_rows: int = _MAX_ROWS,
    valley: float = _VALLEY,
) -> Int[np.ndarray, " N"]:
    """Labels rows by cluster, the clusters numbered in order of their first row.

    Args:
        features: One row per neuron; all columns in the same unit.
        max_clusters: Largest number of clusters tried.
        min_share: Clusters with a smaller share of the rows are merged into their nearest [1].
        seed: Seed of the choice of rows when there are very many.
        floor: Smallest standard deviation of a cluster, in units of the rows' spread.
        max_components: Largest number of principal components kept.
        max_rows: Rows that the number of clusters is chosen on.
        valley: Clusters are joined where the density between them stays above this share of the
            lower peak.

    Raises:
        ValueError: If ``features`` is not a matrix of finite numbers with at least one row.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape or not np.isfinite(rows).all():
        raise ValueError(
            f"features have shape {rows.shape} and "
            f"{np.count_nonzero(~np.isfinite(rows))} values that are not finite; expected a "
            "finite matrix (row, feature). Did the fit diverge?"
        )
    points = _principal_components(rows, floor, max_components)
    if points is None:
        return np.zeros(len(rows), dtype=np.int64)
    subset = np.arange(len(points))
    if len(points) > max_rows:
        subset = np.sort(np.random.default_rng(seed).choice(len(points), max_rows, replace=False))
    labels = _best_mixture(points[subset], max_clusters, floor).predict(points)
    labels = _join_without_valley(points, in_order(labels), floor, valley)
    return in_order(_absorb_small(points, labels, min_share * len(points)))


def _principal_components(
    rows: Float[np.ndarray, "N F"], floor: float, max_components: int
) -> Float[np.ndarray, "N D"] | None:
    """Leading components in units of the rows' spread; None if all rows are equal."""
    centred = rows - rows.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=1).mean())
    magnitude = np.sqrt((rows**2).sum(axis=1).mean())
    if spread <= 1e-6 * magnitude:  # single-precision rounding
        return None
    left, singular, _ = np.linalg.svd(centred / spread, full_matrices=False)
    share = np.cumsum(singular**2) / np.sum(singular**2)
    kept = min(int(np.searchsorted(share, 1 - floor**2)) + 1, max_components)
    return left[:, :kept] * singular[:kept]


def _best_mixture(
    points: Float[np.ndarray, "N D"], max_clusters: int, floor: float
) -> GaussianMixture:
    """The mixture with the lowest BIC.

    Every number is tried: 32 types on a lattice have a first minimum at the lattice's 4 columns.
    """
    most = min(max_clusters, len(points) // 3)
    if most <= 1:
        return _fit_mixture(points, np.zeros(len(points), dtype=np.int64), floor)
    partitions = cut_tree(ward(points), n_clusters=range(1, most + 1))
    mixtures = [_fit_mixture(points, labels, floor) for labels in partitions.T]
    return min(mixtures, key=lambda mixture: mixture.bic(points))


def _fit_mixture(
    points: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], floor: float
) -> GaussianMixture:
    """Expectation maximisation from a partition."""
    n_clusters, dim = labels.max() + 1, points.shape[1]
    means, precisions = np.zeros((n_clusters, dim)), np.zeros((n_clusters, dim, dim))
    for cluster in range(n_clusters):
        members = points[labels == cluster]
        means[cluster] = members.mean(axis=0)
        deviation = members - means[cluster]
        covariance = deviation.T @ deviation / len(members) + floor**2 * np.eye(dim)
        precisions[cluster] = np.linalg.inv(covariance)
    mixture = GaussianMixture(
        n_clusters,
        reg_covar=floor**2,
        max_iter=20,
        weights_init=np.bincount(labels) / len(labels),
        means_init=means,
        precisions_init=(precisions + precisions.transpose(0, 2, 1)) / 2,
        random_state=0,
    )
    with warnings.catch_warnings():
        # Whether the criterion's winner is fully converged does not matter to a partition.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(points)


def _join_without_valley(
    points: Float[np.ndarray, "N D"],
    labels: Int[np.ndarray, " N"],
    floor: float,
    joining: float,
) -> Int[np.ndarray, " N"]:
    """Joins the pair with the shallowest valley until every valley is deep."""
    labels = labels.copy()
    clusters = list(np.unique(labels))
    ratio = {
        (a, b): _valley(points[labels == a], points[labels == b], floor)
        for position, a in enumerate(clusters)
        for b in clusters[position + 1 :]
    }
    while ratio:
        (a, b), shallowest = max(ratio.items(), key=lambda item: item[1])
        if shallowest < joining:
            break
        labels[labels == b] = a
        clusters.remove(b)
        ratio = {pair: value for pair, value in ratio.items() if b not in pair}
        for other in clusters:
            if other != a:
                pair = (min(a, other), max(a, other))
                ratio[pair] = _valley(points[labels == a], points[labels == other], floor)
    return labels


def _valley(
    first: Float[np.ndarray, "M D"], second: Float[np.ndarray, "K D"], floor: float
) -> float:
    """Lowest density between two clusters over the lower of their peaks, along Fisher's line."""
    within = sum(_scatter(group) for group in (first, second)) / (len(first) + len(second))
    step = second.mean(axis=0) - first.mean(axis=0)
    if not step.any():
        return 1.0
    direction = np.linalg.solve(within + floor**2 * np.eye(len(step)), step)
    direction /= np.linalg.norm(direction)
    left, right = first @ direction, second @ direction
    if right.mean() - left.mean() > 8 * (left.std() + right.std() + floor):
        return 0.0  # far apart: spares most pairs of many clusters the density
    line = np.linspace(left.mean(), right.mean(), 101)
    density = _smooth_density(left, line, floor) + _smooth_density(right, line, floor)
    lowest = int(density.argmin())
    return float(density[lowest] / min(density[: lowest + 1].max(), density[lowest:].max()))


def _smooth_density(
    values: Float[np.ndarray, " M"], at: Float[np.ndarray, " G"], floor: float
) -> np.ndarray:
    """Kernel estimate with Silverman's bandwidth, up to a common factor."""
    width = 1.06 * np.hypot(values.std(), floor) * len(values) ** -0.2
    n_values = len(values)
    if n_values > 500:  # quantiles have the same density at a bounded cost
        values = np.quantile(values, (np.arange(500) + 0.5) / 500)
    return np.exp(-0.5 * ((at[:, None] - values) / width) ** 2).mean(axis=1) * n_values / width


def _scatter(group: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "D D"]:
    deviation = group - group.mean(axis=0)
    return deviation.T @ deviation


def _absorb_small(
    points: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], smallest: float
) -> Int[np.ndarray, " N"]:
    """Gives the rows of clusters below a size to the nearest larger cluster, smallest first."""
    labels = labels.copy()
    while True:
        clusters, sizes = np.unique(labels, return_counts=True)
        if len(clusters) == 1 or sizes.min() >= smallest:
            return labels
        small = clusters[sizes.argmin()]
        others = clusters[clusters != small]
        centres = np.stack([points[labels == other].mean(axis=0) for other in others])
        members = np.flatnonzero(labels == small)
        distance = np.linalg.norm(points[members, None] - centres, axis=2)
        labels[members] = others[distance.argmin(axis=1)]


def in_order(labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Renumbers labels by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[first.argsort()] = np.arange(len(first))
    return rank[inverse]
