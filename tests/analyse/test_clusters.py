import numpy as np
import pytest

from neuralgnn.analyse.clusters import (
    cluster_types,
    embedding_dataset,
    match_types,
    medoids,
    type_to_cluster,
)
from neuralgnn.analyse.gauge import canonical

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
