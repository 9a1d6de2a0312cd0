"""Neuron types from update functions, without labels. Axes: N neurons, G grid, K types."""

__all__ = ["cluster_types", "embedding_dataset", "match_types", "medoids", "type_to_cluster"]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
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
    """
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    curves = fitted.update_curves(np.quantile(activity, levels))
    labels = cluster_rows(curves, max_clusters=max_clusters, min_share=min_share, seed=seed)
    return labels, curves


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
) -> xr.Dataset:
    """Latent vectors and clusters as stored in ``embedding.zarr``."""
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
    if types is not None:
        attrs = {"long_name": "true type", "units": "1"}
        dataset = dataset.assign_coords(type=("neuron", types.astype(np.int64), attrs))
        dataset.attrs |= match_types(labels, types)
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
