from types import SimpleNamespace

import numpy as np
import pytest

from neuralgnn.analyse.clusters import (
    cluster_types,
    embedding_dataset,
    match_types,
    medoids,
    published_clusters,
    type_to_cluster,
)
from neuralgnn.analyse.gauge import canonical
from neuralgnn.config.analysis import ClusterConfig

TYPES = np.repeat([0, 1, 2, 3], 10)


def test_renamed_types_match_wholly() -> None:
    assert match_types(np.array([2, 0, 3, 1])[TYPES], TYPES) == pytest.approx(
        {"accuracy": 1, "ari": 1, "nmi": 1}
    )


def test_neurons_of_a_split_or_joined_type_count_as_wrong() -> None:
    split = TYPES.copy()
    split[36:] = 4  # the smaller part of type 3
    assert match_types(split, TYPES)["accuracy"] == pytest.approx(36 / 40)
    joined = np.minimum(TYPES, 2)  # types 2 and 3 are one cluster
    assert match_types(joined, TYPES)["accuracy"] == pytest.approx(30 / 40)
    assert match_types(np.zeros(40, dtype=int), TYPES)["ari"] == pytest.approx(0)


def test_every_type_has_a_cluster_even_if_some_share_one() -> None:
    joined = np.array([5, 7, 8, 8])[TYPES]
    assert type_to_cluster(joined, TYPES) == {0: 5, 1: 7, 2: 8, 3: 8}
    assert type_to_cluster(np.zeros(40, dtype=int), TYPES) == dict.fromkeys(range(4), 0)


def test_a_medoid_is_the_neuron_nearest_to_the_median_of_its_cluster() -> None:
    curves = np.array([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0], [5.0, 5.0], [5.5, 5.5]])
    assert medoids(curves, np.array([0, 0, 0, 1, 1]))[0] == 1


def test_types_of_an_exact_model_are_found_in_any_gauge(make_model, network, sample) -> None:
    for offset in (0.0, 0.5):
        fitted = canonical(make_model(offset=offset), sample)
        labels, curves = cluster_types(fitted, sample, max_clusters=8, min_share=0.005, seed=0)
        assert match_types(labels, network.types)["accuracy"] == 1
        assert len(curves) == 100


def test_the_dataset_carries_scores_only_where_types_are_known() -> None:
    embedding = np.zeros((40, 2))
    known = embedding_dataset(embedding, TYPES, types=TYPES)
    assert known["embedding"].dims == ("neuron", "latent")
    assert known["type"].dims == known["cluster"].dims == ("neuron",)
    assert known.attrs["accuracy"] == 1
    assert known.attrs["n_clusters"] == 4
    assert "accuracy" not in embedding_dataset(embedding, TYPES).attrs


def test_the_32_published_types_are_32_clusters_despite_the_errors_of_a_fit() -> None:
    """Decay 1 to 4 by self-coupling 1 to 8; 31 neurons of each type, 39 of the last."""
    rng = np.random.default_rng(0)
    decay = np.r_[np.repeat(np.arange(1.0, 5), 4), np.repeat(np.arange(1.0, 5), 4)]
    coupling = np.r_[np.tile(np.arange(1.0, 5), 4), np.tile(np.arange(5.0, 9), 4)]
    types = np.minimum(np.arange(1000) // 31, 31)
    bend = rng.normal(0, 0.02, (1000, 2))

    def update(x):
        smooth = bend[:, 0] * np.sin(x / 3) + bend[:, 1] * np.tanh(x / 2)
        return -decay[types] * x + coupling[types] * np.tanh(x) + smooth

    fitted = SimpleNamespace(
        update_curves=lambda grid: update(np.repeat(grid[:, None], 1000, axis=1)).T
    )
    activity = rng.normal(0, 7.22, (500, 40))
    settings = ClusterConfig().model_dump(exclude={"published_threshold"})
    labels, _ = cluster_types(fitted, activity, **settings, seed=0)  # pyright: ignore
    assert len(np.unique(labels)) == 32
    assert match_types(labels, types)["accuracy"] == 1.0


def test_single_linkage_joins_what_a_chain_connects_and_parts_what_no_chain_does() -> None:
    chain = np.stack([np.linspace(0, 0.5, 11), np.zeros(11)], axis=1)  # steps of 0.05
    apart = np.array([[0.7, 0.0], [1.0, 1.0]])
    labels = published_clusters(10 * np.concatenate([chain, apart]) + 3, threshold=0.1)
    assert labels[:11].tolist() == [labels[0]] * 11
    assert len(np.unique(labels)) == 3
    assert len(np.unique(published_clusters(chain, threshold=0.09))) == 11  # unit: the range
    assert published_clusters(np.ones((4, 2)), threshold=0.1).tolist() == [0, 0, 0, 0]


def test_both_procedures_stand_beside_each_other_in_the_store() -> None:
    types = np.repeat([0, 1], 5)
    embedding = np.stack([np.linspace(0, 1, 10), np.zeros(10)], axis=1)
    published = published_clusters(embedding, threshold=0.2)
    dataset = embedding_dataset(embedding, types + 4, types=types, published=published)
    assert (dataset.attrs["accuracy"], dataset.attrs["ari"]) == (1, 1)
    assert (dataset.attrs["published_accuracy"], dataset.attrs["published_ari"]) == (0.5, 0)
    assert (dataset.attrs["n_clusters"], dataset.attrs["published_n_clusters"]) == (2, 1)
