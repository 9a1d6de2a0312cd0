"""Scores of wrong graphs and noisy recordings: what the figure takes from the table."""

import numpy as np
import pytest

from neuralgnn.plot.figures import FIGURES

FIGURE = FIGURES["fly_perturbed"]


def row(experiment: str, metric: str, value: float, **more) -> dict[str, object]:
    blank = {"published": "", "ceiling": ""}
    about = {"experiment": experiment, "fit": "varpro", "metric": metric, "value": value}
    return about | blank | more


TABLE = [
    row("fly_005", "weights_r2", 0.99, ceiling=0.995),
    row("fly_005_null_100", "weights_r2", 0.97),
    row("fly_005_null_100", "weights_r2", 0.95),
    row("fly_005_null_100", "weights_r2_published_correction", 0.98, published=0.9754),
    row("fly_005_null_400", "weights_auroc_null", 0.9999),
    row("fly_005_null_400", "edges_auroc", 0.99999),
    row("fly_005_removed_20_published", "weights_r2", 0.8),
    row("fly_005_measured_010", "weights_r2", -40.0),
]


def test_every_experiment_stands_at_its_place_with_the_mean_over_seeds() -> None:
    axes = FIGURE.function({"metrics": TABLE}).axes
    lines = {line.get_label(): line for line in axes[0].lines}
    auroc = {line.get_label(): line for line in axes[1].lines}
    removed = {line.get_label(): line for line in axes[2].lines}

    np.testing.assert_allclose(lines["all edges"].get_xydata(), [[0, 0.01], [100, 0.04]])
    np.testing.assert_allclose(lines["published"].get_xydata(), [[100, 1 - 0.9754]])
    assert auroc["size of the weight"].get_ydata() == pytest.approx([1e-4])
    assert auroc["activity and wiring"].get_ydata() == pytest.approx([1e-5])
    np.testing.assert_allclose(removed["from model and simulation"].get_xydata(), [[20, 0.2]])
    # How much worse than useless a model is does not matter.
    assert axes[3].get_ylim()[1] == 2
    (beyond,) = (
        line for line in axes[3].lines if line.get_marker() == "^" and len(line.get_xdata())
    )
    np.testing.assert_array_equal(beyond.get_xydata(), [[0, np.nan], [0.1, 2]])


def test_a_table_of_other_experiments_is_refused() -> None:
    with pytest.raises(ValueError, match="the table has fig_2"):
        FIGURE.function({"metrics": [row("fig_2", "weights_r2", 1.0)]})


def test_scores_by_length_stand_beside_what_is_to_be_expected_of_them() -> None:
    def scored(fit: str, value: float, **more: float) -> dict[str, object]:
        return row("fly_050_length", "weights_r2", value, **more) | {"fit": fit}

    table = [
        scored("own_2k", 0.2, ceiling=0.3),
        scored("own_32k", 0.8, ceiling=0.9),
        scored("alike_32k", 0.99, ceiling=0.995),
    ]
    axes = FIGURES["fly_length"].function({"metrics": table}).axes
    own, alike, limit = axes[0].lines

    assert own.get_xydata().tolist() == [[2000, 0.2], [32000, 0.8]]
    assert alike.get_xydata().tolist() == [[32000, 0.99]]
    assert limit.get_xydata().tolist() == [[2000, 0.3], [32000, 0.9]]
    with pytest.raises(ValueError, match="shows fly_050_length; the table has fly_005"):
        FIGURES["fly_length"].function({"metrics": TABLE[:1]})
