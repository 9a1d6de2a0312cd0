"""Step ``table``: the numbers of all fits in one tidy table."""

__all__ = ["COLUMNS", "origin_of", "read_table", "rows_of", "table_step"]

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import atomic_path, read_json, write_json

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


def table_step(metrics: Iterable[Path], table: Path) -> None:
    """Writes one row per fit, seed and metric, in a fixed order.

    Args:
        metrics: The ``metrics.json`` files.
        table: CSV file to write; an unknown value is an empty cell.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If one of them has another form.
    """
    metrics = list(metrics)
    rows = [row for path in metrics for row in rows_of(path)]
    rows.sort(key=lambda row: (row["experiment"], row["fit"], row["seed"], row["metric"]))
    origins = {str(path): read_json(path).get("provenance") for path in metrics}
    write_json(origin_of(table), provenance(fits=origins))
    with (
        atomic_path(table) as scratch,
        scratch.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([row[column] for column in COLUMNS] for row in rows)


def origin_of(table: Path) -> Path:
    """The file beside a table that says where its numbers come from."""
    return table.with_suffix(".origin.json")


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
