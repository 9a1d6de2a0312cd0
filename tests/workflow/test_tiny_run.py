"""One real run of everything in small, and what happens when something is changed afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from neuralgnn.cli.inspection import describe_path
from neuralgnn.cli.main import main
from neuralgnn.plot.figures import FIGURES
from neuralgnn.steps.table import read_table

from .conftest import command
from .test_dry_run import jobs

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "test.yaml"
Run = Callable[..., subprocess.CompletedProcess[str]]
SHOWN = yaml.safe_load(CONFIG.read_text())["figures"]

pytestmark = pytest.mark.slow


def test_everything_is_there(tiny: Path) -> None:
    results = tiny / "results" / "test"

    for figure in SHOWN:
        for suffix in (".pdf", ".png"):
            assert (results / "figures" / (figure + suffix)).stat().st_size > 1000
    for fit in ("fig_2/seed_42/varpro", "fig_2/seed_42/sgd", "supp_3/seed_42/varpro"):
        metrics = json.loads((results / fit / "metrics.json").read_text())
        assert f"{metrics['experiment']}/seed_{metrics['seed']}/{metrics['fit']}" == fit
        assert metrics["fit_seconds"] > 0
    assert (results / "figures" / "fig_2_data" / "weights.zarr" / "zarr.json").is_file()


def test_a_finished_fit_leaves_no_resume_state(tiny: Path) -> None:
    left = [path for path in (tiny / "results/test/.state").rglob("*") if path.is_file()]

    assert left == []


def test_the_table_is_tidy_and_holds_every_fit(tiny: Path) -> None:
    rows = read_table(tiny / "results/test/tables/metrics.csv")
    keys = [(row["experiment"], row["fit"], row["seed"], row["metric"]) for row in rows]

    assert len(keys) == len(set(keys))
    assert {key[:3] for key in keys} == {
        ("fig_2", "varpro", 42),
        ("fig_2", "sgd", 42),
        ("supp_3", "varpro", 42),
    }
    published = {row["published"] for row in rows if row["metric"] == "n_clusters"}
    assert published == {4.0, None}  # what the experiment files say


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images.append(given["src"] or "")
        self.references += [given[key] or "" for key in ("src", "href") if key in given]


def test_the_report_is_one_file_with_all_figures_in_it(tiny: Path) -> None:
    text = (tiny / "results/test/report.html").read_text()
    page = _Page()
    page.feed(text)

    assert len(page.images) == len(SHOWN) + 3  # the analysis of each fit
    assert all(re.match("data:image/(png;base64,iVBOR|webp;base64,UklGR)", image)
               for image in page.images)  # fmt: skip
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert not re.search(r"https?://|url\(|@import|<script", text)
    for spec in (FIGURES[name] for name in SHOWN):
        assert re.split(r"[^\w ]", spec.caption.rpartition(", ")[2])[0] in text


FIT = "fig_2/seed_42/sgd"


@pytest.mark.parametrize(
    "name",
    [
        *("report.html", "tables/metrics.csv", "tables/metrics_summary.csv"),
        *("figures/fig_2.pdf", "figures/fig_2.png", "figures/fig_2_data/weights.zarr"),
        *("fig_2/seed_42/activity.zarr", f"{FIT}/model.pt", f"{FIT}/selection.json"),
        *(f"{FIT}/metrics.json", f"{FIT}/analysis/functions.zarr", f"{FIT}/analysis/changed.json"),
        *(f"{FIT}/checkpoints/{file}" for file in ("training.json", "history.csv")),
        f"{FIT}/checkpoints/checkpoint_00000200.pt",
    ],
)
def test_every_artefact_says_where_it_comes_from_and_what_it_took(tiny: Path, name: str) -> None:
    path = tiny / "results/test" / name
    text = describe_path(path)

    assert "not known" not in text
    for word in ("config_digest", "versions", "revision", "scipy", "python"):
        assert word in text, word
    for pattern in (r"seconds\W+[\d.]+", r"peak_mib\W+[\d.]+", r"created\W+20\d\d-", "seed"):
        assert re.search(pattern, text), pattern
    assert re.search(r"command\W+python -m snakemake .*--configfile", text)


def test_the_report_says_of_each_figure_with_what_it_was_made(tiny: Path) -> None:
    text = (tiny / "results/test/report.html").read_text()
    figures = re.findall(r"<figure id=.*?</figure>", text, re.DOTALL)
    settings = set(re.findall(r'<h3 id="(settings-\w+)"', text))

    assert len(figures) == len(SHOWN) + 3
    for figure in figures:
        assert re.search(r"20\d\d-\S+ · [\d.]+ s · peak memory \d+ MiB · rule figure", figure)
        assert "--configfile" in figure and "matplotlib" in figure and "revision" in figure
        linked = set(re.findall(r'href="#(settings-\w+)"', figure))
        assert linked and linked <= settings
        assert "seed 42" in figure or "seed_42" in figure


def test_the_report_has_every_job_with_its_declared_memory_and_the_graph(tiny: Path) -> None:
    text = (tiny / "results/test/report.html").read_text()
    run = re.search(r'<section id="times">.*?</section>', text, re.DOTALL)
    assert run is not None
    rows = re.findall(r"<tr><td>(\w+)</td>.*>([\d,.]+) MiB</td></tr>", run[0])

    # all that the page was made from: 2 recordings, 3 fits, their figures, one table
    assert len(rows) == 2 + 3 * 3 + len(SHOWN) + 3 + 1
    assert ("train", "6000") in rows
    assert "No job took more memory than its rule declares" in run[0]
    drawn = re.findall(r"<text x=[^>]*>(\w+)</text>", run[0])
    assert {"simulate", "train", "select", "analyse", "table", "figure", "report"} <= set(drawn)
    assert run[0].count('class="arrow') > len(set(drawn))


def test_the_end_of_the_run_says_what_was_built_and_where_to_look(tiny: Path) -> None:
    said = (tiny / "said.txt").read_text()

    assert re.search(r"^figure +11 +.* of 2000 MiB$", said, re.MULTILINE)
    assert "results/test/figures: analysis.pdf, fig_2.pdf" in said
    assert str((tiny / "results/test/report.html").resolve()) in said


def test_a_fit_of_the_run_is_drawn_by_itself_too(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiny / f"results/test/{FIT}")

    for name in ("fig_2", "supp_2"):  # with the recording, without
        assert main(["figure", name, ".", "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / f"{name}.png").is_file()
    assert main(["figure", "fig_2", "."]) == 2  # the run's own is not written over
    assert "say where this one goes (--out)" in capsys.readouterr().err


def test_snakemake_s_own_report_can_be_made(tiny: Path, snakemake: Run) -> None:
    run = snakemake("--report", "own.html", folder=tiny, config=CONFIG)

    assert run.returncode == 0, run.stdout
    assert (tiny / "own.html").is_file()


def test_nothing_is_done_twice(tiny: Path, snakemake: Run) -> None:
    run = snakemake("--dry-run", folder=tiny, config=CONFIG)

    assert "Nothing to be done" in run.stdout


@pytest.mark.parametrize(
    ("replacement", "planned"),
    [
        pytest.param(
            ("fig_2: [42]", "fig_2: [42, 43]"),
            {
                "simulate": 1,
                "train": 1,
                "select": 1,
                "analyse": 1,
                "table": 1,
                "figure": 2,
                "figure_of_seeds": 1,
            },
            id="another seed",
        ),
        pytest.param(
            ("n_steps: 200", "n_steps: 220"),
            # the figures of sgd, and the summary of all numbers
            {
                "train": 1,
                "select": 1,
                "analyse": 1,
                "table": 1,
                "figure": 2,
                "figure_of_fit": 1,
            },
            id="a setting of one fit",
        ),
        pytest.param(
            ("curve_points: 60", "curve_points: 70"),
            {"analyse": 3, "figure": 11, "figure_of_fit": 3, "table": 1},
            id="a setting of the analysis",
        ),
        pytest.param(
            ("n_frames: 4000", "n_frames: 4100"),
            {
                "simulate": 2,
                "train": 3,
                "select": 3,
                "analyse": 3,
                "table": 1,
                "figure": 11,
                "figure_of_fit": 3,
            },
            id="a setting of the simulation",
        ),
        pytest.param(
            ("overrides:", 'plot: {truth_color: "#aa3355"}\n\noverrides:'),
            {"figure": 11, "figure_of_fit": 3},
            id="a colour",
        ),
        pytest.param(
            ("supp_3: [42]", "supp_3: [43]"),
            # its own jobs, and the table and figures that show its fit
            {
                "simulate": 1,
                "train": 1,
                "select": 1,
                "analyse": 1,
                "table": 1,
                "figure": 3,
                "figure_of_fit": 1,
            },
            id="a seed of one experiment",
        ),
        pytest.param(
            ("simulation.n_neurons: 40", "simulation.n_neurons: 40\n  simulation.dt: 0.02"),
            {
                "simulate": 2,
                "train": 3,
                "select": 3,
                "analyse": 3,
                "table": 1,
                "figure": 11,
                "figure_of_fit": 3,
            },
            id="the time step",
        ),
    ],
)
def test_a_change_reruns_what_it_touches_and_no_more(
    tiny: Path,
    snakemake: Run,
    config: Callable[..., Path],
    replacement: tuple[str, str],
    planned: dict[str, int],
) -> None:
    run = snakemake("--dry-run", folder=tiny, config=config(replacement))

    assert run.returncode == 0, run.stdout
    assert jobs(run.stdout) == planned | {
        "report": 1,
        "all": 1,
        "total": sum(planned.values()) + 2,
    }


def test_a_truncated_recording_stops_the_job_with_one_message(
    tiny: Path, tmp_path: Path, snakemake: Run
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    recording = folder / "results/test/fig_2/seed_42/activity.zarr"
    chunk = max((p for p in recording.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    chunk.write_bytes(chunk.read_bytes()[:1000])
    model = "results/test/fig_2/seed_42/varpro/model.pt"

    run = snakemake(model, "--forcerun", "select", folder=folder, config=CONFIG)

    assert run.returncode != 0
    assert run.stdout.count("is truncated") == 1
    assert "Traceback" not in run.stdout
    assert not (folder / model).exists()


def test_a_killed_fit_goes_on_when_it_is_started_again(
    tiny: Path, tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    """kill -9 of Snakemake and its job leaves a lock, a state, and nothing taken for a result."""
    folder = tmp_path / "copy"
    path = config(("n_steps: 200", "n_steps: 3000"), ("every: 20", "every: 100"))
    (folder / "results/test/fig_2").mkdir(parents=True)
    shutil.copytree(tiny / ".snakemake", folder / ".snakemake")
    shutil.copytree(tiny / "results/test/fig_2/seed_42", folder / "results/test/fig_2/seed_42")
    fit = folder / "results/test/fig_2/seed_42/sgd"
    target = "results/test/fig_2/seed_42/sgd/checkpoints/training.json"
    state = folder / "results/test/.state"

    process = subprocess.Popen(
        command(target, folder=folder, config=path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(file.is_file() for file in state.rglob("*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert any(file.is_file() for file in state.rglob("*"))
    assert not (fit / "checkpoints/training.json").exists()

    snakemake("--unlock", folder=folder, config=path)
    run = snakemake(target, "--rerun-incomplete", folder=folder, config=path)

    assert run.returncode == 0, run.stdout
    assert json.loads((fit / "checkpoints/training.json").read_text())["n_steps"] == 3000
    assert not any(file.is_file() for file in state.rglob("*"))
