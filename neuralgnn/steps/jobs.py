"""What the jobs of a workflow took, beside what their rules declare: a file beside each log.

Snakemake's own benchmark samples the memory of a job; here the kernel's account of the process is
written, with the files that the job read and wrote, from which the graph of the run is drawn.
"""

__all__ = ["JobRecord", "Task", "jobs_behind", "read_jobs", "record_of"]

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from neuralgnn.data.store import read_json, write_json


class Task(Protocol):
    """The job as Snakemake describes it to a script."""

    rule: str
    threads: int
    input: Iterable[str]
    output: Iterable[str]
    wildcards: Any
    resources: Any


@dataclass(frozen=True)
class JobRecord:
    """A finished job.

    Args:
        rule: Its rule.
        of: Its wildcards, in one line.
        inputs: Files that it read.
        outputs: Files that it wrote.
        threads: Threads that it was given.
        mem_mb: Memory that its rule declares [MB, as SLURM counts: 2^20 byte].
        seconds: Wall time [s].
        peak_mib: Largest resident memory [MiB].
        ended: When it ended [s since 1970].
    """

    rule: str
    of: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int
    mem_mb: int | None
    seconds: float
    peak_mib: float
    ended: float

    @property
    def over(self) -> bool:
        """Whether it took more memory than its rule declares."""
        return self.mem_mb is not None and self.peak_mib > self.mem_mb

    def write(self, log: Path) -> None:
        """Leaves the record beside the job's log."""
        write_json(log.with_suffix(".json"), asdict(self))


def record_of(task: Task, *, seconds: float, peak_mib: float, ended: float) -> JobRecord:
    """The record of a job that has just ended."""
    declared = task.resources.get("mem_mb")
    return JobRecord(
        rule=task.rule,
        of=", ".join(
            f"seed {value}" if name == "seed" else str(value)
            for name, value in task.wildcards.items()
        ),
        inputs=tuple(map(str, task.input)),
        outputs=tuple(map(str, task.output)),
        threads=task.threads,
        mem_mb=declared if isinstance(declared, int) else None,
        seconds=round(seconds, 3),
        peak_mib=round(peak_mib, 1),
        ended=ended,
    )


def read_jobs(logs: Path) -> list[JobRecord]:
    """Records of all jobs below a folder of logs, in the order in which they ended."""
    known = {field.name for field in fields(JobRecord)}
    found = [values for path in logs.glob("*/*.json") if set(values := read_json(path)) == known]
    jobs = [JobRecord(**{**values, **_tuples(values)}) for values in found]
    return sorted(jobs, key=lambda job: (job.ended, job.rule, job.of))


def jobs_behind(files: Iterable[str], jobs: Iterable[JobRecord]) -> list[JobRecord]:
    """Those jobs whose outputs some files were made from, directly or not, in their order."""
    jobs = list(jobs)
    maker = {file: job for job in jobs for file in job.outputs}
    needed: set[JobRecord] = set()
    queue = list(files)
    while queue:
        job = maker.get(queue.pop())
        if job is not None and job not in needed:
            needed.add(job)
            queue.extend(job.inputs)
    return [job for job in jobs if job in needed]


def _tuples(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values[name]) for name in ("inputs", "outputs")}
