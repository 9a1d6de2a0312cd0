import numpy as np
import pytest

from neuralgnn.analyse.weights import (
    compare_weights,
    identifiable_r2,
    off_diagonal_variance,
    published_scores,
    weights_dataset,
)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((700, 700)) + 0.3  # more rows than a block has
    np.fill_diagonal(true, 0)
    learned = 0.8 * true + 0.4 * rng.standard_normal((700, 700)) - 0.1
    np.fill_diagonal(learned, 0)
    return learned, true


def test_scores_equal_a_plain_computation_over_all_pairs(pair) -> None:
    learned, true = pair
    off = ~np.eye(700, dtype=bool)
    x, y = true[off], learned[off]
    scores = compare_weights(learned, true)
    assert scores["r2"] == pytest.approx(1 - ((y - x) ** 2).sum() / ((x - x.mean()) ** 2).sum())
    assert scores["pearson2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert scores["slope"] == pytest.approx(np.polyfit(x, y, 1)[0])
    assert off_diagonal_variance(true) == pytest.approx(x.var())


def test_published_scores_are_those_of_a_line_through_all_entries(pair) -> None:
    learned, true = pair
    slope, intercept = np.polyfit(true.ravel(), learned.ravel(), 1)
    residual = learned - slope * true - intercept
    scores = published_scores(learned, true)
    assert scores["slope"] == pytest.approx(slope)
    assert scores["r2"] == pytest.approx(1 - residual.var() / learned.var())


def test_a_wrong_scale_shows_in_r2_and_slope_but_not_in_the_correlation(pair) -> None:
    _, true = pair
    scores = compare_weights(0.9 * true, true)
    off = true[~np.eye(700, dtype=bool)]
    assert scores["pearson2"] == pytest.approx(1)
    assert scores["slope"] == pytest.approx(0.9)
    assert scores["r2"] == pytest.approx(1 - 0.01 * (off**2).mean() / off.var())


def test_the_diagonal_does_not_count(pair) -> None:
    learned, true = pair
    expected = compare_weights(learned, true)
    np.fill_diagonal(learned, 1e6)
    np.fill_diagonal(true, -1e6)
    assert compare_weights(learned, true) == pytest.approx(expected)


def test_small_errors_are_resolved(pair) -> None:
    _, true = pair
    rng = np.random.default_rng(1)
    scores = compare_weights(true + 1e-5 * rng.standard_normal(true.shape), true)
    assert 1 - scores["r2"] == pytest.approx(1e-10, rel=0.02)


def test_weights_that_are_all_equal_have_no_scores() -> None:
    scores = compare_weights(np.zeros((3, 3)), np.zeros((3, 3)))
    assert np.isnan(list(scores.values())).all()


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 3\)"):
        compare_weights(np.zeros((2, 2)), np.zeros((3, 3)))


def test_errors_along_unexplored_directions_do_not_count(pair) -> None:
    _, true = pair
    basis, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((700, 700)))
    seen, unseen = basis[:, :650], basis[:, 650:]
    learned = true + np.random.default_rng(3).standard_normal((700, 50)) @ unseen.T
    assert identifiable_r2(learned, true, directions=seen) == pytest.approx(1)
    assert identifiable_r2(learned, true, directions=unseen) < 0.2
    assert np.isnan(identifiable_r2(learned, true, directions=seen[:, :0]))


def test_the_dataset_names_units_and_scores(pair) -> None:
    learned, true = pair
    dataset = weights_dataset(
        learned,
        time_unit="s",
        true=true,
        published=learned / 10,
        published_true=true / 10,
        types=np.zeros(700, dtype=int),
    )
    assert dataset["learned_weight"].dims == ("post", "pre")
    assert dataset["learned_weight"].attrs["units"] == "activity/s"
    assert dataset["learned_weight"].dtype == np.float32
    assert dataset["type"].dims == ("post",)
    assert dataset.attrs["published_slope"] == pytest.approx(
        published_scores(learned, true)["slope"]
    )
    assert "standard_error" not in dataset
    assert "r2" not in weights_dataset(learned, time_unit="s").attrs
