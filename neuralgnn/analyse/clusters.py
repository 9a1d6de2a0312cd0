"""Neuron types from update functions, without labels. Axes: N neurons, G grid, K types."""

__all__ = [
    "cluster_types",
    "curve_grid",
    "embedding_dataset",
    "match_types",
    "medoids",
    "published_clusters",
    "type_to_cluster",
]

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from neuralgnn.analyse.gauge import Canonical
from neuralgnn.models.clustering import cluster_rows

_LEVELS = 100


def cluster_types(
    fitted: Canonical,
    activity: Float[np.ndarray, "T N"],
    *,
    max_clusters: int,
    min_share: float,
    seed: int,
    **settings: Any,
) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "N G"]]:
    """Clusters neurons by their learned update functions; returns labels and the curves used.

    Curves are taken at evenly spaced quantiles of the activity of all neurons, so that they
    count where the activity is and not where functions are extrapolated.

    Args:
        fitted: The model in the canonical gauge.
        activity: Sample of the visited activity.
        max_clusters: Largest number of clusters tried.
        min_share: Smaller clusters are merged into their nearest neighbour [1].
        seed: Seed of the clustering.
        **settings: Others of :func:`neuralgnn.models.clustering.cluster_rows`.
    """
    curves = fitted.update_curves(curve_grid(activity))
    labels = cluster_rows(
        curves, max_clusters=max_clusters, min_share=min_share, seed=seed, **settings
    )
    return labels, curves


def curve_grid(activity: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " G"]:
    """Evenly spaced quantiles of the activity of all neurons."""
    return np.quantile(activity, (np.arange(_LEVELS) + 0.5) / _LEVELS)


def published_clusters(
    embedding: Float[np.ndarray, "N D"], *, threshold: float
) -> Int[np.ndarray, " N"]:
    """Clusters of the latent vectors by the published procedure, without its look at the labels.

    Single linkage of the vectors, moved and scaled together into the unit interval, cut at a
    distance. The published code then names clusters by the true types; here they are matched
    like any other clusters, by :func:`match_types`.

    Source: published code of Allier et al. 2026, ``distance_embedding``; 0.1 for most figures.

    Args:
        embedding: Latent vectors.
        threshold: Distance of the cut, in units of the largest range.
    """
    low, high = float(embedding.min()), float(embedding.max())
    if len(embedding) < 2 or not high > low:
        return np.zeros(len(embedding), dtype=np.int64)
    scaled = (embedding.astype(np.float64) - low) / (high - low)
    labels = fcluster(linkage(scaled, "single"), threshold, criterion="distance")
    return np.unique(labels, return_inverse=True)[1]


def match_types(labels: Int[np.ndarray, " N"], types: Int[np.ndarray, " N"]) -> dict[str, float]:
    """``accuracy``, ``ari`` and ``nmi`` of clusters against true types.

    Accuracy is the share of neurons in the cluster of their type under the best one-to-one
    assignment (Kuhn 1955); neurons in a cluster without a type count as wrong. ARI: adjusted
    Rand index, 0 for chance. NMI: normalised mutual information.
    """
    counts = _contingency(labels, types)
    assigned = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return {
        "accuracy": float(assigned / len(labels)),
        "ari": float(adjusted_rand_score(types, labels)),
        "nmi": float(normalized_mutual_info_score(types, labels)),
    }


def type_to_cluster(labels: Int[np.ndarray, " N"], types: Int[np.ndarray, " N"]) -> dict[int, int]:
    """The cluster that stands for each true type: its Hungarian match, else its commonest one."""
    counts = _contingency(labels, types)
    cluster = counts.argmax(axis=1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched = counts[rows, columns] > 0
    cluster[rows[matched]] = columns[matched]
    names = np.unique(labels)
    return {
        int(kind): int(names[column])
        for kind, column in zip(np.unique(types), cluster, strict=True)
    }


def medoids(curves: Float[np.ndarray, "N G"], labels: Int[np.ndarray, " N"]) -> dict[int, int]:
    """The neuron of each cluster whose curve is nearest to the cluster's median curve."""
    chosen = {}
    for cluster in np.unique(labels):
        members = np.flatnonzero(labels == cluster)
        distance = np.linalg.norm(curves[members] - np.median(curves[members], axis=0), axis=1)
        chosen[int(cluster)] = int(members[distance.argmin()])
    return chosen


def embedding_dataset(
    embedding: Float[np.ndarray, "N D"],
    labels: Int[np.ndarray, " N"],
    *,
    types: Int[np.ndarray, " N"] | None = None,
    published: Int[np.ndarray, " N"] | None = None,
    projection: Float[np.ndarray, "N 2"] | None = None,
) -> xr.Dataset:
    """Latent vectors and clusters as stored in ``embedding.zarr``.

    Args:
        embedding: Latent vectors.
        labels: Clusters of the update functions.
        types: True types.
        published: Clusters by the published procedure.
        projection: Map of the update functions in the plane.
    """
    dataset = xr.Dataset(
        {
            "embedding": (
                ("neuron", "latent"),
                embedding.astype(np.float32),
                {"long_name": "latent vector a", "units": "1"},
            ),
            "cluster": (
                "neuron",
                labels.astype(np.int64),
                {"long_name": "cluster of update functions", "units": "1"},
            ),
        },
        attrs={"n_clusters": len(np.unique(labels))},
    )
    if published is not None:
        attrs = {"long_name": "cluster by the published procedure", "units": "1"}
        dataset["published_cluster"] = ("neuron", published.astype(np.int64), attrs)
        dataset.attrs["published_n_clusters"] = len(np.unique(published))
    if projection is not None:
        attrs = {"long_name": "UMAP of the update functions", "units": "1"}
        dataset["projection"] = (("neuron", "plane"), projection.astype(np.float32), attrs)
    if types is not None:
        attrs = {"long_name": "true type", "units": "1"}
        dataset = dataset.assign_coords(type=("neuron", types.astype(np.int64), attrs))
        dataset.attrs |= match_types(labels, types)
        if published is not None:
            scores = match_types(published, types)
            dataset.attrs |= {f"published_{name}": value for name, value in scores.items()}
    return dataset


def _contingency(
    labels: Int[np.ndarray, " N"], types: Int[np.ndarray, " N"]
) -> Int[np.ndarray, "K C"]:
    """Number of neurons by true type and cluster."""
    kinds, rows = np.unique(types, return_inverse=True)
    clusters, columns = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(kinds), len(clusters)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts
