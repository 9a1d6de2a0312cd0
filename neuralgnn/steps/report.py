"""Step ``report``: everything on one page."""

__all__ = ["report_step"]

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuralgnn.data.cost import measured
from neuralgnn.data.provenance import provenance
from neuralgnn.data.store import atomic_path, read_json
from neuralgnn.plot.figures import FIGURES
from neuralgnn.plot.origin import read_origin
from neuralgnn.report.graph import Rule
from neuralgnn.report.metrics import summarise
from neuralgnn.report.page import Figure, Section, duration, render
from neuralgnn.steps.jobs import JobRecord, jobs_behind, read_jobs
from neuralgnn.steps.table import read_table


@measured()
def report_step(
    report: Path,
    *,
    figures: Iterable[Path],
    table: Path,
    metrics: Iterable[Path],
    titles: Mapping[str, str],
    logs: Path | None = None,
) -> None:
    """Writes the report, a page that refers to no other file.

    Args:
        report: HTML file to write; files are listed relative to its folder.
        figures: The figures; the PNG beside each is shown.
        table: Table of all numbers.
        metrics: The ``metrics.json`` files, for the origin of the numbers.
        titles: Title of each experiment.
        logs: Folder of the jobs' logs and records.

    Raises:
        FileNotFoundError: If a figure, the table or a metrics file is missing.
    """
    figures, metrics = list(map(Path, figures)), list(metrics)
    records = [read_json(path) for path in metrics]
    shown = [_figure(path) for path in figures]
    sources = map(str, (*figures, table, *metrics))
    jobs = jobs_behind(sources, read_jobs(logs)) if logs else []
    page = render(
        figures=shown,
        sections=_sections(read_table(table)),
        titles=titles,
        times=_times(jobs),
        rules=_rules(jobs),
        provenance=provenance() | {"config_digests": _digests(records)},
        settings=_settings(records, shown),
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
    caption = FIGURES[path.stem].caption
    return Figure(name=name, title=title, caption=caption, png=png, origin=read_origin(png))


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


def _times(jobs: Iterable[JobRecord]) -> list[dict[str, Any]]:
    """Rows of the jobs, the longest first."""
    return [
        {
            "step": job.rule,
            "of": job.of,
            "seconds": job.seconds,
            "memory": job.peak_mib,
            "declared": job.mem_mb,
            "over": job.over,
        }
        for job in sorted(jobs, key=lambda job: -job.seconds)
    ]


def _rules(jobs: Sequence[JobRecord]) -> list[Rule]:
    """Rules in the order of their first jobs, with what they read; last the page itself."""
    makers = {file: job.rule for job in jobs for file in job.outputs}
    rules = []
    for name in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == name]
        reads = {makers[file] for job in of_rule for file in job.inputs if file in makers}
        took = duration(sum(job.seconds for job in of_rule))
        note = f"{len(of_rule)} × · {took}" if len(of_rule) > 1 else took
        over = any(job.over for job in of_rule)
        rules.append(Rule(name, note, frozenset(reads - {name}), warning=over))
    read = frozenset().union(*(rule.reads for rule in rules))
    last = frozenset(rule.name for rule in rules) - read
    return [*rules, Rule("report", "this page", last)] if rules else []


def _settings(
    records: Iterable[Mapping[str, Any]], figures: Iterable[Figure]
) -> dict[str, Mapping[str, Any]]:
    """Settings behind numbers and figures by their digest, each once."""
    origins: list[Mapping[str, Any]] = [record.get("provenance", {}) for record in records]
    for figure in figures:
        if figure.origin:
            origins += [figure.origin, *figure.origin.get("sources", {}).values()]
    return {of["config_digest"]: of["config"] for of in origins if of.get("config")}


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
