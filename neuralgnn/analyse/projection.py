"""A map of the learned update functions in the plane. Axes: N neurons, G grid, M mapped ones.

UMAP (McInnes, Healy and Melville 2018) keeps neighbours together; distances between groups and
their sizes mean little, so types are never counted on it. Nothing but a picture depends on it.
"""

__all__ = ["project_curves"]

import warnings

import numpy as np
from jaxtyping import Float
from sklearn.neighbors import NearestNeighbors

_MIN_ROWS, _MAX_ROWS = 20, 2_000


def project_curves(
    curves: Float[np.ndarray, "N G"],
    *,
    n_neighbors: int,
    min_dist: float,
    seed: int,
    n_epochs: int | None = None,
    max_rows: int = _MAX_ROWS,
) -> Float[np.ndarray, "N 2"]:
    """Places neurons in the plane so that those with similar curves lie together.

    One thread, a seed and a start from the principal components: the same curves give the same
    map. Of more than ``max_rows`` neurons an even selection is mapped, the others are
    NaN, and so are all of fewer than 20: their neighbours are everybody.

    Args:
        curves: Update function of every neuron on a common grid.
        n_neighbors: Neighbours that every neuron is held to; at most all others.
        min_dist: How close points may lie.
        seed: Seed of the layout.
        n_epochs: Steps of the layout; None: by the number of neurons.
        max_rows: Largest number of neurons that are mapped.
    """
    placed = np.full((len(curves), 2), np.nan)
    rows = np.unique(np.linspace(0, len(curves) - 1, min(len(curves), max_rows)).round())
    rows = rows.astype(int)
    if len(rows) < _MIN_ROWS:
        return placed
    spread = np.sqrt(curves.var(axis=0).sum()) or 1.0
    features = (curves[rows] / spread).astype(np.float32)
    n_neighbors = min(n_neighbors, len(rows) - 1)
    # Exact neighbours; UMAP's own search for them is approximate and compiles for half a minute.
    search = NearestNeighbors(n_neighbors=n_neighbors).fit(features)
    distance, neighbor = search.kneighbors(features)  # of which a point is the first itself
    with warnings.catch_warnings():
        # It says that Tensorflow is missing, and that a graph has parts: both are meant to be.
        warnings.simplefilter("ignore")
        import umap  # compiles for some seconds: only those who map curves wait for it

        layout = umap.UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            n_epochs=n_epochs,
            init="pca",
            random_state=seed,
            n_jobs=1,
            low_memory=False,
            precomputed_knn=(neighbor, distance.astype(np.float32)),
        )
        placed[rows] = np.asarray(layout.fit_transform(features), dtype=np.float64)
    return placed
