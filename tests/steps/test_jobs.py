"""What jobs took is written beside their logs, and compared with what their rules declare."""

import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from neuralgnn.data import cost
from neuralgnn.steps import job as job_module
from neuralgnn.steps.job import job
from neuralgnn.steps.jobs import JobRecord, jobs_behind, read_jobs
from neuralgnn.steps.summary import run_summary


@dataclass
class Task:
    """A job as Snakemake hands it to a script."""

    rule: str = "train"
    threads: int = 1
    input: tuple[str, ...] = ("a/activity.zarr/zarr.json",)
    output: tuple[str, ...] = ("a/training.json",)
    wildcards: dict[str, str] = field(default_factory=lambda: {"experiment": "a", "seed": "7"})
    resources: dict[str, Any] = field(default_factory=lambda: {"mem_mb": 100_000})


RECORD = JobRecord(
    *("train", "a, seed 7", ("x.json",), ("y.json",)),
    threads=1,
    mem_mb=1000,
    seconds=61.0,
    peak_mib=900.0,
    ended=50.0,
)


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch):
    """A job takes streams, logging and threads for good: its process ends with it."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(cost, "_task", {})
    handlers = logging.root.handlers[:]
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers


def test_a_finished_job_leaves_what_it_took_beside_its_log(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with job(tmp_path / "train/a.log", Task()):
        made = cost.run_record()

    (record,) = read_jobs(tmp_path)
    assert (record.rule, record.of, record.mem_mb) == ("train", "a, seed 7", 100_000)
    assert record.inputs == Task().input and record.outputs == Task().output
    assert record.peak_mib > 20 and not record.over
    assert (made["rule"], made["threads"]) == ("train", 1)  # what its results say


def test_a_failed_job_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), job(tmp_path / "a.log", Task()):
        raise ValueError("no")

    assert not (tmp_path / "a.json").exists()


def test_more_memory_than_declared_is_said_on_the_terminal_and_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs/train").mkdir(parents=True)
    with job(tmp_path / "logs/train/a.log", Task(resources={"mem_mb": 3})):
        pass

    assert "and declares mem_mb=3; a cluster may end it there" in capsys.readouterr().err
    assert read_jobs(tmp_path / "logs")[0].over
    assert "Warning: train (a, seed 7) took" in run_summary(tmp_path, since=0)


def test_a_job_that_says_nothing_is_seen_to_be_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "_QUIET", 0.1)
    log = tmp_path / "a.log"
    with job(log):
        for _ in range(200):
            if "running for 0 min, peak memory" in log.read_text():
                break
            job_module.time.sleep(0.02)

    assert "running for 0 min, peak memory" in log.read_text()


def test_libraries_take_no_more_threads_than_the_rule_has(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, types, json\n"
        "from neuralgnn.steps.job import job\n"
        "out = sys.stdout\n"
        "task = types.SimpleNamespace(rule='r', threads=1, input=[], output=[], wildcards={}, "
        "resources={})\n"
        "with job(sys.argv[1], task):\n"
        "    import numpy, torch, threadpoolctl\n"
        "    pools = [p['num_threads'] for p in threadpoolctl.threadpool_info()]\n"
        "    out.write(json.dumps([torch.get_num_threads(), *pools]))\n"
    )
    unbounded = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.log")],
        env=unbounded | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )

    found = json.loads(done.stdout)
    assert len(found) >= 3 and set(found) == {1}


def test_only_jobs_that_a_page_was_made_from_belong_to_it(tmp_path: Path) -> None:
    simulate = replace(RECORD, rule="simulate", inputs=(), outputs=("x.json",))
    other = replace(RECORD, rule="train", outputs=("z.json",))
    figure = replace(RECORD, rule="figure", inputs=("y.json",), outputs=("f.pdf", "f.png"))

    found = jobs_behind(["f.pdf"], [simulate, RECORD, other, figure])

    assert found == [simulate, RECORD, figure]


def test_the_end_of_a_run_says_what_was_built_how_long_it_took_and_where_it_is(
    tmp_path: Path,
) -> None:
    for name, record in {
        "old": replace(RECORD, rule="simulate", ended=10.0),
        "a": RECORD,
        "b": replace(RECORD, seconds=9.0),
        "c": replace(RECORD, rule="figure", outputs=("figures/fig_2.pdf", "figures/fig_2.png")),
    }.items():
        (tmp_path / "logs" / name).mkdir(parents=True)
        record.write(tmp_path / "logs" / name / "x.log")
    (tmp_path / "report.html").touch()

    text = run_summary(tmp_path, since=20.0)

    assert re.search(r"^train +2 +1 min 10 s +1 min 01 s +900 of 1000 MiB$", text, re.MULTILINE)
    assert "simulate" not in text.replace(str(tmp_path), "")  # it ended before
    assert "figures: fig_2.pdf" in text
    assert str(tmp_path / "report.html") in text
    assert "Warning" not in text


def test_a_run_without_jobs_says_that_all_was_there(tmp_path: Path) -> None:
    assert "Built: nothing, all was up to date" in run_summary(tmp_path, since=0)
