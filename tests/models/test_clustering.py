import warnings

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from neuralgnn.models.clustering import cluster_rows

X = np.linspace(-15, 15, 100)


def update_curves(n_types: int, n_neurons: int, noise: float, seed: int = 0):
    """-c x + s tanh(x) of blocks of neurons, with smooth errors."""
    rng = np.random.default_rng(seed)
    pairs = [(c, s) for c in (1, 2) for s in (1, 2)]
    if n_types == 32:
        pairs = [(c, s) for c in range(1, 5) for s in range(1, 9)]
    types = np.arange(n_neurons) * n_types // n_neurons
    curves = np.array([-c * X + s * np.tanh(X) for c, s in pairs])[types]
    shapes = np.stack([np.ones_like(X), X / 15, np.tanh(X), (X / 15) ** 2, np.sin(X / 3)])
    return curves + noise * rng.standard_normal((n_neurons, len(shapes))) @ shapes, types


def cluster(rows, **more):
    options = {"max_clusters": 40, "min_share": 0.005, "seed": 0} | more
    return cluster_rows(rows, **options)


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-3, 0.05])
@pytest.mark.parametrize("n_types", [4, 32])
def test_types_are_found_whether_curves_are_equal_or_scattered(n_types, noise) -> None:
    rows, types = update_curves(n_types, 640, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = cluster(rows)
    assert labels.max() + 1 == n_types
    assert adjusted_rand_score(types, labels) == 1.0


def test_clusters_of_latent_vectors_are_found() -> None:
    rng = np.random.default_rng(1)
    centres = np.array([[0.9, 1.39], [1.63, 0.53], [-0.13, 0.46], [0.41, -0.02]])
    types = np.arange(400) % 4
    labels = cluster(centres[types] + 0.05 * rng.standard_normal((400, 2)))
    assert adjusted_rand_score(types, labels) == 1.0


def test_one_cloud_is_one_cluster_even_if_it_is_not_gaussian() -> None:
    rng = np.random.default_rng(2)
    for rows in (rng.standard_normal((300, 3)), rng.uniform(-1, 1, (300, 2))):
        assert cluster(rows, max_clusters=12).max() == 0


def test_equal_rows_are_one_cluster() -> None:
    rows = np.tile(update_curves(4, 4, 0.0)[0][:1], (50, 1))
    assert not cluster(rows).any()
    assert not cluster(rows + 1e-8 * np.random.default_rng(0).standard_normal(rows.shape)).any()


def test_a_few_stray_rows_join_the_nearest_cluster() -> None:
    rows, types = update_curves(4, 400, 1e-3)
    rows[0] = -1.02 * X + 1.05 * np.tanh(X)
    labels = cluster(rows, min_share=0.02)
    assert labels.max() + 1 == 4
    assert labels[0] == labels[1]
    assert adjusted_rand_score(types, labels) == 1.0


def test_labels_are_numbered_in_order_and_do_not_depend_on_unit_or_repetition() -> None:
    rows, _ = update_curves(4, 200, 0.01)
    labels = cluster(rows)
    assert [int(np.flatnonzero(labels == k)[0]) for k in range(4)] == [0, 50, 100, 150]
    np.testing.assert_array_equal(labels, cluster(rows))
    np.testing.assert_array_equal(labels, cluster(1e-3 * rows + 5))


def test_many_rows_are_clustered_on_a_sample_of_them() -> None:
    rows, types = update_curves(4, 5000, 0.01)
    assert adjusted_rand_score(types, cluster(rows, max_clusters=8)) == 1.0


def test_few_rows_are_no_error() -> None:
    assert cluster(np.zeros((1, 3))).tolist() == [0]
    assert cluster(np.array([[0.0], [1.0]])).tolist() == [0, 0]


def test_rows_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="1 values that are not finite"):
        cluster(np.array([[0.0, np.nan], [1.0, 2.0]]))
