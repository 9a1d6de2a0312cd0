"""Found connections, counted by hand."""

import numpy as np
import pytest
from scipy.special import erfcinv

from neuralgnn.analyse.graph import compare_graphs, graph_dataset, precision_recall
from neuralgnn.models.connections import TwoGroups, found_graph, two_groups

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


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("claimed", [1.0, 0.4])
def test_false_discoveries_stay_below_their_rate_even_if_errors_are_claimed_small(
    claimed: float, share: float
) -> None:
    """Twenty per cent are allowed; the width of the null is estimated, not believed."""
    true, learned = sparse_fit(share=share)
    error = np.full(true.shape, 0.1 * claimed)
    dataset = graph_dataset(
        learned, error, true=true, min_absent=0.05, false_discovery_rate=0.2, null="empirical"
    )
    assert dataset.attrs["null_width"] == pytest.approx(1 / claimed, rel=0.1)
    assert dataset.attrs["share_absent_estimated"] == pytest.approx(1 - share, abs=0.05)
    assert 0.7 < dataset.attrs["precision"] < 0.9
    assert dataset.attrs["recall"] > 0.75
    found = dataset["edge"].values
    assert not found.diagonal().any()
    threshold = dataset.attrs["threshold_z"]
    assert np.abs(learned[found]).min() / error[0, 1] == pytest.approx(threshold)


def test_believed_errors_that_are_too_small_spoil_the_graph() -> None:
    true, learned = sparse_fit()
    found, _ = found_graph(
        learned,
        np.full(true.shape, 0.04),
        false_discovery_rate=0.05,
        groups=two_groups(np.ones(9), null="standard_error"),
    )
    assert compare_graphs(learned, np.ones_like(true), found, true)[0]["precision"] < 0.7


def test_the_rule_of_benjamini_and_hochberg_is_kept() -> None:
    """Of six p the third, 0.03, is at most 0.06 * 3 / 6; the fourth, 0.5, is too large."""
    z = np.sqrt(2) * erfcinv(np.array([0.001, 0.02, 0.03, 0.5, 0.9, 0.95]))
    weight = np.zeros((3, 3))
    weight[~np.eye(3, dtype=bool)] = z
    found, threshold = found_graph(
        weight, np.ones((3, 3)), false_discovery_rate=0.06, groups=TwoGroups(1.0, 1.0)
    )
    assert found.sum() == 3
    assert threshold == pytest.approx(z[2])


def test_a_network_without_absent_connections_is_found_whole() -> None:
    true, learned = sparse_fit(share=1.0, error=0.02)
    dataset = graph_dataset(learned, np.full(true.shape, 0.02), true=true, min_absent=0.05, **RULE)
    assert dataset.attrs["share_absent_estimated"] < 0.03
    assert dataset.attrs["n_found"] > 0.97 * 200 * 199


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
    dataset = graph_dataset(learned, np.full(learned.shape, 0.1), min_absent=0.05, **RULE)
    assert dataset.attrs["n_found"] <= 2
    assert dataset.attrs["share_absent_estimated"] > 0.99


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
