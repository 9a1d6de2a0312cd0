"""What a run of the workflow says at its end: what was built, what it took, where to look."""

__all__ = ["run_summary"]

from collections.abc import Iterable, Sequence
from pathlib import Path

from neuralgnn.report.page import duration
from neuralgnn.steps.jobs import JobRecord, read_jobs

_PICTURES = (".pdf", ".gif")
_MOST = 20  # names on a line


def run_summary(results: Path, *, since: float) -> str:
    """Says what the jobs that ended since a time have built and taken, and where to look.

    Args:
        results: Folder of the results.
        since: When the run began [s since 1970].
    """
    jobs = [job for job in read_jobs(results / "logs") if job.ended >= since]
    parts = [_stages(jobs), _pictures(jobs), _complaints(jobs), _places(results)]
    return "\n".join(["", *(line for part in parts for line in part)])


def _stages(jobs: Sequence[JobRecord]) -> list[str]:
    """A line for each rule in the order in which their first jobs ended."""
    if not jobs:
        return ["Built: nothing, all was up to date."]
    rows = [("stage", "jobs", "time", "longest", "peak memory of declared")]
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        largest = max(of_rule, key=lambda job: job.peak_mib)
        seconds = [job.seconds for job in of_rule]
        memory = f"{largest.peak_mib:.0f} of {largest.mem_mb or '?'} MiB"
        taken = (duration(sum(seconds)), duration(max(seconds)), memory)
        rows.append((rule, str(len(of_rule)), *taken))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    return [
        "  ".join(
            f"{cell:<{w}}" if k == 0 else f"{cell:>{w}}" for k, (cell, w) in enumerate(cells)
        )
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def _pictures(jobs: Iterable[JobRecord]) -> list[str]:
    """A line for each folder that got figures."""
    folders: dict[Path, list[str]] = {}
    for path in (Path(file) for job in jobs for file in job.outputs):
        if path.suffix in _PICTURES:
            folders.setdefault(path.parent, []).append(path.name)
    if not folders:
        return []
    lines = [f"Figures ({sum(map(len, folders.values()))}):"]
    for folder, names in sorted(folders.items()):
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        lines.append(f"  {folder}: {', '.join(sorted(names)[:_MOST])}{more}")
    return lines


def _complaints(jobs: Iterable[JobRecord]) -> list[str]:
    return [
        f"Warning: {job.rule} ({job.of}) took {job.peak_mib:.0f} MiB and declares mem_mb="
        f"{job.mem_mb}; a cluster may end it there."
        for job in jobs
        if job.over
    ]


def _places(results: Path) -> list[str]:
    """Where to look, as far as it is there."""
    pages = sorted(results.glob("*.html"))
    places = [
        *(("page", page.resolve()) for page in pages),
        ("figures", results / "figures"),
        ("numbers", results / "tables"),
        ("all", results),
        ("logs", results / "logs"),
    ]
    lines = [f"  {word:<8} {path}" for word, path in places if path.exists()]
    return ["Where to look (neuralgnn inspect PATH says where any of it comes from):", *lines]
