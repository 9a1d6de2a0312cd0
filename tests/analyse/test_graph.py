"""Found connections, counted by hand."""

import numpy as np
import pytest

from neuralgnn.analyse.graph import (
    compare_graphs,
    found_graph,
    graph_dataset,
    null_width,
    precision_recall,
)

RULE = {"false_discovery_rate": 0.05, "null": "empirical"}


def sparse_fit(n: int = 200, share: float = 0.1, error: float = 0.1, seed: int = 0):
    """True weights, learned ones with normal errors."""
    rng = np.random.default_rng(seed)
    true = rng.standard_cauchy((n, n)) * (rng.random((n, n)) < share)
    np.fill_diagonal(true, 0)
    learned = true + error * rng.standard_normal((n, n))
    np.fill_diagonal(learned, 0)
    return true, learned


def test_precision_and_recall_are_those_counted_by_hand() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    present = np.array([True, False, True, False, False])
    curve = precision_recall(score, present)
    np.testing.assert_allclose(curve["precision"], [1, 1 / 2, 2 / 4, 2 / 5])
    np.testing.assert_allclose(curve["recall"], [1 / 2, 1 / 2, 1, 1])
    np.testing.assert_allclose(curve["false_positive"], [0, 1 / 3, 2 / 3, 1])


def test_scores_of_a_small_graph_are_those_counted_by_hand() -> None:
    true = np.array([[0.0, 1, 0], [0, 0, 2], [0, 0, 0]])
    weight = np.array([[0.0, 3, 0.5], [0.1, 0, 1], [2, 0.2, 0]])
    found = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    scores, curves = compare_graphs(weight, np.ones((3, 3)), found, true)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.5, 0.5, 0.5)
    # In order of |W|: 3 there, 2 not, 1 there, 0.5, 0.2, 0.1 not: one of eight pairs is wrong.
    assert scores["auroc"] == pytest.approx(7 / 8)
    assert scores["auprc"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["auroc_z"] == scores["auroc"]
    assert set(curves) == {"weight", "z"}


@pytest.mark.parametrize("claimed", [1.0, 0.3])
def test_false_discoveries_stay_below_their_rate_even_if_errors_are_claimed_small(claimed) -> None:
    """The empirical null corrects standard errors that are too small by a factor of three."""
    true, learned = sparse_fit()
    error = np.full(true.shape, 0.1 * claimed)
    found, threshold = found_graph(learned, error, **RULE)
    scores, _ = compare_graphs(learned, error, found, true)
    assert 0.93 < scores["precision"] < 1
    assert scores["recall"] > 0.6
    assert not found.diagonal().any()
    assert np.abs(learned[found]).min() / error[0, 1] == pytest.approx(threshold)
    if claimed < 1:
        trusting, _ = found_graph(learned, error, false_discovery_rate=0.05, null="standard_error")
        assert compare_graphs(learned, error, trusting, true)[0]["precision"] < 0.5


def test_the_null_has_the_width_of_absent_connections() -> None:
    z = np.abs(np.random.default_rng(0).normal(0, 3, 100_000))
    assert null_width(z, null="empirical") == pytest.approx(3, rel=0.02)
    assert null_width(z / 30, null="empirical") == 1.0
    assert null_width(z, null="standard_error") == 1.0


def test_errors_that_differ_make_z_the_better_order() -> None:
    true, learned = sparse_fit(error=0.0)
    rng = np.random.default_rng(5)
    error = np.exp(rng.normal(0, 1.5, true.shape)) * 0.1
    learned = learned + error * rng.standard_normal(true.shape)
    dataset = graph_dataset(learned, error, true=true, min_absent=0.05, **RULE)
    assert dataset.attrs["auprc_z"] > dataset.attrs["auprc"] + 0.05
    assert dataset["precision"].shape == (2, 400)
    assert np.all(np.diff(dataset["recall"].values, axis=1) >= 0)


def test_noise_alone_gives_no_graph() -> None:
    _, learned = sparse_fit(share=0.0)
    found, threshold = found_graph(learned, np.full(learned.shape, 0.1), **RULE)
    assert found.sum() <= 2
    assert threshold > 4


def test_a_graph_that_is_almost_full_is_not_compared() -> None:
    true, learned = sparse_fit(n=60, share=0.99)
    error = np.full(true.shape, 0.1)
    assert (
        "precision" not in graph_dataset(learned, error, true=true, min_absent=0.05, **RULE).attrs
    )
    dataset = graph_dataset(learned, error, true=true, min_absent=0.0, **RULE)
    assert dataset.attrs["precision"] > 0.9
    full = graph_dataset(learned, error, true=true + 1, min_absent=0.0, **RULE)
    assert "precision" not in full
    assert full.attrs["share_present"] == 1.0


def test_curves_of_one_kind_of_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="0 of 3 pairs are connected"):
        precision_recall(np.arange(3.0), np.zeros(3, dtype=bool))
