"""The table is tidy and keeps what it was given."""

from pathlib import Path
from typing import Any

import pytest

from neuralgnn.data import write_json
from neuralgnn.steps.table import COLUMNS, read_table, summary_rows, table_step


def metrics(folder: Path, seed: int, **values: float | None) -> Path:
    path = folder / f"seed_{seed}.json"
    numbers: dict[str, dict[str, Any]] = {
        name: {"value": value, "published": 0.5, "ceiling": None} for name, value in values.items()
    }
    about = {"experiment": "e", "fit": "f", "trainer": "sgd", "target": "drift", "seed": seed}
    write_json(path, about | {"metrics": numbers})
    return path


def test_rows_come_back_as_written_sorted_by_fit_seed_and_metric(tmp_path: Path) -> None:
    files = [metrics(tmp_path, 10, b=0.1 + 0.2, a=None), metrics(tmp_path, 9, b=1.0)]

    table_step(files, tmp_path / "t.csv")
    rows = read_table(tmp_path / "t.csv")

    assert tuple(rows[0]) == COLUMNS
    assert [(row["seed"], row["metric"], row["value"]) for row in rows] == [
        (9, "b", 1.0),
        (10, "a", None),
        (10, "b", 0.1 + 0.2),
    ]
    assert rows[0]["published"] == 0.5
    assert rows[0]["ceiling"] is None


def test_a_file_of_another_form_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"metrics": {}})

    with pytest.raises(ValueError, match=r"x\.json lacks 'experiment'"):
        table_step([tmp_path / "x.json"], tmp_path / "t.csv")

    assert not (tmp_path / "t.csv").exists()


def test_the_summary_has_mean_spread_and_worst_over_the_seeds_of_a_fit() -> None:
    def row(seed: int, metric: str, value: float | None, **more: float) -> dict[str, Any]:
        about = {"experiment": "fig_2", "fit": "varpro", "trainer": "varpro", "target": "drift"}
        known = {"published": None, "ceiling": None} | more
        return about | {"seed": seed, "metric": metric, "value": value} | known

    rows = [
        *(row(seed, "weights_r2", r2, ceiling=1.0) for seed, r2 in ((42, 0.9), (43, 0.8))),
        *(row(seed, "fit_seconds", s) for seed, s in ((42, 10.0), (43, 30.0))),
        row(42, "weights_r2_published_correction", 0.95, published=0.97),
    ]
    (summary,) = summary_rows(rows)

    assert summary["seeds"] == "42 43"
    assert summary["weights_r2_mean"] == pytest.approx(0.85)
    assert summary["weights_r2_spread"] == pytest.approx(0.0707, abs=1e-4)
    assert (summary["weights_r2_worst"], summary["fit_seconds_worst"]) == (0.8, 30.0)
    assert summary["weights_r2_published_correction_published"] == 0.97
    assert "type_accuracy_mean" not in summary


def test_all_rows_of_a_summary_have_the_columns_that_any_of_them_needs() -> None:
    def row(experiment: str, metric: str, **more: float) -> dict[str, Any]:
        about = {"experiment": experiment, "fit": "f", "trainer": "t", "target": "drift"}
        return about | {"seed": 1, "metric": metric, "value": 0.5, "published": None} | more

    rows = [
        row("fly", "time_constant_r2", ceiling=0.9) | {"published": 0.7},
        row("fig_2", "weights_r2", ceiling=1.0),
    ]
    fly, fig_2 = summary_rows(rows)

    assert tuple(fly) == tuple(fig_2)
    assert (fly["time_constant_r2_published"], fly["time_constant_r2_ceiling"]) == (0.7, 0.9)
    assert (fly["weights_r2_mean"], fig_2["weights_r2_mean"]) == (None, 0.5)
