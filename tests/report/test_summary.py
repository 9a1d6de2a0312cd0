"""Numbers over seeds: mean, spread, and which seed is the worst."""

import pytest

from neuralgnn.report.metrics import metric_name, summarise
from neuralgnn.report.page import duration, number, panels


def rows(metric: str, *values: float | None) -> list[dict[str, object]]:
    return [
        {"metric": metric, "value": value, "published": None, "ceiling": 1.0} for value in values
    ]


@pytest.mark.parametrize(
    ("metric", "values", "worst"),
    [
        ("weights_r2", (0.9, 1.0, 0.8), 0.8),
        ("update_error", (0.1, 0.3), 0.3),
        ("weights_slope", (1.02, 0.97), 0.97),
        ("n_clusters", (4.0, 5.0), None),
    ],
)
def test_the_worst_seed_depends_on_what_is_good(
    metric: str, values: tuple[float, ...], worst: float | None
) -> None:
    (line,) = summarise(rows(metric, *values))

    assert line.worst == worst
    assert line.mean == pytest.approx(sum(values) / len(values))
    assert line.n_seeds == len(values)


def test_one_seed_has_no_spread_and_missing_values_do_not_count() -> None:
    (line,) = summarise(rows("weights_r2", 0.9, None))

    assert (line.mean, line.spread, line.worst) == (0.9, None, None)
    assert summarise(rows("weights_r2", None)) == []


def test_names_of_frames_and_networks_are_read_out_of_the_metric() -> None:
    assert metric_name("rollout_r2_400")[0] == "Rollout, R² after 400 frames (median over starts)"
    assert "supp_5 (learned)" in metric_name("changed_supp_5_learned_r2_800")[0]
    assert metric_name("something_new") == ("something new", "none")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.99997, "0.99997"),
        (0.996, "0.996"),
        (-3.0, "−3"),
        (None, "–"),
        (1e-5, "1.0·10⁻⁵"),
        (-4.3e14, "−4.3·10¹⁴"),
        (1.00003, "1.00003"),
        (1 - 8e-13, "1 − 8.0·10⁻¹³"),
        (12345.6, "12\u2009346"),
    ],
)
def test_numbers_keep_the_digits_that_matter(value: float | None, text: str) -> None:
    assert number(value) == text


def test_panel_letters_of_a_caption_are_told_from_its_text() -> None:
    caption = "A fit. b, Activity, a lot. c, d, W. e–f, More of a, b."

    assert panels(caption) == [
        ("", "A fit. "),
        ("b", ", Activity, a lot. "),
        ("c, d", ", W. "),
        ("e–f", ", More of a, b."),
    ]


def test_durations_are_words() -> None:
    assert [duration(7.44), duration(185), duration(3720)] == ["7.4 s", "3 min 05 s", "1 h 02 min"]
