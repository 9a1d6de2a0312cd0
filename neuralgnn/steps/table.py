"""Step ``table``: the numbers of all fits in one tidy table."""

__all__ = [
    "COLUMNS",
    "read_table",
    "rows_of",
    "summary_rows",
    "table_step",
    "write_rows",
]

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neuralgnn.data.cost import measured
from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import atomic_path, read_json, write_json
from neuralgnn.report.metrics import summarise
from neuralgnn.steps.folders import origin_of

COLUMNS = (
    "experiment",
    "fit",
    "trainer",
    "target",
    "seed",
    "metric",
    "value",
    "published",
    "ceiling",
)

_KEY = ("experiment", "fit", "trainer", "target", "seeds")
_SUMMARISED = (
    *("weights_r2", "weights_slope", "weights_r2_published_correction"),
    *("weights_slope_published_correction", "weights_r2_identifiable"),
    *("weights_identifiable_share", "weights_auroc_null", "graph_precision", "graph_recall"),
    *("n_clusters", "type_accuracy", "type_bic_accuracy"),
    *("time_constant_r2", "resting_potential_r2", "update_error", "transfer_error"),
    *("time_constant_r2_published", "resting_potential_r2_published"),
    *("rollout_r2_400", "rollout_r2_800", "rollout_rmse", "ablated_rollout_rmse"),
    *("field_r2", "stimulus_r2", "stimulus_siren_r2", "fit_seconds", "fit_peak_mib"),
)


@measured()
def table_step(metrics: Iterable[Path], table: Path, *, summary: Path | None = None) -> None:
    """Writes one row per fit, seed and metric, in a fixed order.

    Args:
        metrics: The ``metrics.json`` files.
        table: CSV file to write; an unknown value is an empty cell.
        summary: Another, with one row per fit: mean, spread and worst over seeds of the main
            numbers, beside the published ones. Beside each a file says where it comes from.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If one of them has another form.
    """
    metrics = list(metrics)
    rows = [row for path in metrics for row in rows_of(path)]
    rows.sort(key=lambda row: (row["experiment"], row["fit"], row["seed"], row["metric"]))
    origins = {str(path): read_json(path).get("provenance") for path in metrics}
    write_json(origin_of(table), provenance(fits=origins))
    write_rows(table, COLUMNS, rows)
    if summary is not None:
        write_json(origin_of(summary), provenance(fits=origins))
        lines = summary_rows(rows)
        write_rows(summary, tuple(lines[0]) if lines else _KEY, lines)


def summary_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per fit of an experiment from rows of the tidy table.

    All have the same columns: ``_mean``, ``_spread`` and ``_worst`` of every main number that one
    of the fits has, and its ``_ceiling`` and ``_published`` where one of them has those.
    """
    grouped: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(tuple(str(row[name]) for name in _KEY[:4]), []).append(row)
    found = [(key, group, _main_numbers(group)) for key, group in grouped.items()]
    columns = [
        f"{name}_{what}"
        for name in _SUMMARISED
        for what in ("mean", "spread", "worst", "ceiling", "published")
        if any(f"{name}_{what}" in numbers for _, _, numbers in found)
    ]
    return [
        dict(zip(_KEY, (*key, _seeds(group)), strict=True))
        | {column: numbers.get(column) for column in columns}
        for key, group, numbers in found
    ]


def _seeds(rows: Iterable[Mapping[str, Any]]) -> str:
    return " ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))


def _main_numbers(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for line in summarise(rows):
        if line.metric not in _SUMMARISED:
            continue
        for what in ("mean", "spread", "worst"):
            numbers[f"{line.metric}_{what}"] = getattr(line, what)
        for what in ("ceiling", "published"):
            if getattr(line, what) is not None:
                numbers[f"{line.metric}_{what}"] = getattr(line, what)
    return numbers


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table as CSV, whole or not at all.

    Args:
        path: The file.
        columns: Keys of every row, in the order of the columns.
        rows: The rows; None becomes an empty cell.
    """
    columns = tuple(columns)
    with (
        atomic_path(path) as scratch,
        scratch.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows of the table from one ``metrics.json``.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it has another form.
    """
    record = read_json(path)
    try:
        about = {key: record[key] for key in COLUMNS[:5]}
        return [
            about
            | {"metric": name}
            | {key: number.get(key) for key in ("value", "published", "ceiling")}
            for name, number in record["metrics"].items()
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} lacks {error}; expected the metrics.json of an analysis. Written by "
            "another version?"
        ) from None


def read_table(table: Path) -> list[dict[str, Any]]:
    """Rows of a table as written by :func:`table_step`, numbers as numbers.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If its columns are others.
    """
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{table} has columns {reader.fieldnames}, expected {list(COLUMNS)}")
        return [_typed(row) for row in reader]


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {
        key: float(row[key]) if row[key] else None for key in ("value", "published", "ceiling")
    }
    return row | numbers | {"seed": int(row["seed"])}
