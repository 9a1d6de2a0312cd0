"""Step ``report``: everything on one page."""

__all__ = ["report_step"]

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import atomic_path, read_json
from neuralgnn.plot.figures import FIGURES
from neuralgnn.report.metrics import summarise
from neuralgnn.report.page import Figure, Section, render
from neuralgnn.steps.table import read_table


def report_step(
    report: Path,
    *,
    figures: Iterable[Path],
    table: Path,
    metrics: Iterable[Path],
    titles: Mapping[str, str],
    benchmarks: Path | None = None,
) -> None:
    """Writes the report, a page that refers to no other file.

    Args:
        report: HTML file to write; files are listed relative to its folder.
        figures: The figures; the PNG beside each is shown.
        table: Table of all numbers.
        metrics: The ``metrics.json`` files, for the origin of the numbers.
        titles: Title of each experiment.
        benchmarks: Folder of Snakemake's benchmark files.

    Raises:
        FileNotFoundError: If a figure, the table or a metrics file is missing.
    """
    records = [read_json(path) for path in metrics]
    page = render(
        figures=[_figure(Path(path)) for path in figures],
        sections=_sections(read_table(table)),
        titles=titles,
        times=_times(benchmarks) if benchmarks else [],
        provenance=provenance() | {"config_digests": _digests(records)},
        results=_files(report.parent),
    )
    with atomic_path(report) as scratch:
        scratch.write_text(page, encoding="utf-8")


def _figure(path: Path) -> Figure:
    name, folder = path.stem, path.parent
    title = name.replace("fig_", "Figure ").replace("supp_", "Supplementary figure ")
    title = title[0].upper() + title[1:]
    if folder.parent.parent.name.startswith("seed_"):  # a figure of one fit
        fit, seed, experiment = (folder.parents[k].name for k in range(3))
        title = f"{experiment}, {fit}, {seed.replace('_', ' ')}: {title}"
        name = f"{experiment}-{seed}-{fit}-{name}"
    elif folder.parent.parent.name == "all_seeds":
        fit, experiment = folder.parent.name, folder.parents[2].name
        title = f"{experiment}, {fit}: {title}"
        name = f"{experiment}-{fit}-{name}"
    png = path.with_suffix(".png")
    if not png.is_file():
        raise FileNotFoundError(f"{png} does not exist; was the figure drawn?")
    return Figure(name=name, title=title, caption=FIGURES[path.stem].caption, png=png)


def _sections(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["experiment"], row["fit"]), []).append(row)
    sections = [
        Section(
            experiment=experiment,
            fit=fit,
            trainer=group[0]["trainer"],
            target=group[0]["target"],
            seeds=sorted({row["seed"] for row in group}),
            lines=summarise(group),
        )
        for (experiment, fit), group in grouped.items()
    ]
    # varpro, the main method, before its judge sgd
    return sorted(sections, key=lambda section: (section.experiment, section.trainer != "varpro"))


def _times(folder: Path) -> list[dict[str, Any]]:
    """Rows of the jobs that took longest."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                whole = path.parent == folder
                rows.append(
                    {
                        "step": path.stem if whole else path.parent.name,
                        "of": "" if whole else path.stem,
                        "seconds": float(row["s"]),
                        "memory": _float(row.get("max_rss")),
                    }
                )
    return sorted(rows, key=lambda row: -row["seconds"])


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:  # Snakemake writes NA or - for a job too short to measure
        return None


def _digests(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {
        f"{record['experiment']}, {record['fit']}, seed {record['seed']}": str(
            record.get("provenance", {}).get("config_digest", "unknown")
        )
        for record in records
    }


def _files(folder: Path) -> list[tuple[str, str]]:
    """Files and stores below a folder, a store counting as one, with their sizes."""
    found: dict[Path, int] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        stores = [parent for parent in relative.parents if parent.suffix == ".zarr"]
        name = stores[-1] if stores else relative
        found[name] = found.get(name, 0) + path.stat().st_size
    return [(name.as_posix(), _size(size)) for name, size in found.items()]


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"
