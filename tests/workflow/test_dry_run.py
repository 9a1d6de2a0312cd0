"""The workflow before anything has run: every configuration, errors, lint, graph."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def jobs(output: str) -> dict[str, int]:
    """The job table of a dry run."""
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.mark.parametrize("name", ["config", "test"])
def test_a_dry_run_plans_a_job_for_every_fit_seed_and_figure(
    tmp_path: Path, snakemake: Run, name: str
) -> None:
    path = ROOT / "config" / f"{name}.yaml"
    values = yaml.safe_load(path.read_text())

    run = snakemake("--dry-run", folder=tmp_path, config=path)
    planned = jobs(run.stdout)

    assert run.returncode == 0, run.stdout
    n_seeds = sum(map(len, values["experiments"].values()))
    assert planned["simulate"] == n_seeds
    assert planned["train"] == planned["select"] == planned["analyse"] == n_seeds + 1  # sgd once
    assert planned["figure"] == len(values["figures"])
    assert planned["figure_of_fit"] == 3  # of each fit the first seed
    assert planned.get("figure_of_seeds", 0) == (name == "config")  # the other has single seeds
    assert not (tmp_path / "results").exists()


def test_a_collection_is_built_by_its_name_and_plans_only_its_own(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    more = "collections: {pair: {experiments: {supp_3: [42, 7]}, figures: [supp_4]}}\n"
    path = config(("overrides:", f"{more}\noverrides:"))

    run = snakemake("pair", "--dry-run", folder=tmp_path, config=path)
    planned = jobs(run.stdout)

    assert run.returncode == 0, run.stdout

    assert planned["simulate"] == planned["train"] == planned["analyse"] == 2
    assert planned["figure"] == planned["table"] == planned["report"] == 1
    default = jobs(snakemake("--dry-run", folder=tmp_path, config=path).stdout)
    assert default["simulate"] == 2


def test_every_collection_of_the_project_can_be_planned(tmp_path: Path, snakemake: Run) -> None:
    path = ROOT / "config" / "config.yaml"
    for name, part in yaml.safe_load(path.read_text())["collections"].items():
        run = snakemake(name, "--dry-run", folder=tmp_path, config=path)
        planned = jobs(run.stdout)

        assert run.returncode == 0, run.stdout
        assert planned.get("figure", 0) == len(part.get("figures", []))


def test_recordings_go_that_only_figures_of_their_own_part_show(
    tmp_path: Path, snakemake: Run
) -> None:
    """The activity of figure 2's first seed is shown by figures of another collection too."""
    path = ROOT / "config" / "config.yaml"
    options = ("--dry-run", "--config", "keep_recordings=false")

    planned = jobs(snakemake(*options, folder=tmp_path, config=path).stdout)

    assert planned["simulate"] == 4 and planned["discard_recording"] == 3


def test_the_fly_has_a_simulation_and_an_analysis_of_its_own(
    tmp_path: Path, snakemake: Run
) -> None:
    path = ROOT / "config" / "fly_test.yaml"

    run = snakemake("--dry-run", folder=tmp_path, config=path)
    planned = jobs(run.stdout)

    assert run.returncode == 0, run.stdout
    assert planned["simulate_fly"] == 2
    # From the drift, of every cell's own and with what cells of a type share, and as recorded.
    assert planned["train"] == planned["analyse_graph"] == 6
    assert planned["figure"] == 6 and planned["figure_of_fit"] == 6
    assert planned["probe"] == 1
    assert "analyse" not in planned and "simulate" not in planned


def test_the_fit_of_a_large_network_is_planned_in_parts(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    scatter = "{above: 39, n_stretches: 3, n_row_blocks: 2}"
    path = config(("overrides:", f"overrides:\n  fits.varpro.trainer.scatter: {scatter}"))
    models = [f"results/test/fig_2/seed_42/{fit}/model.pt" for fit in ("varpro", "sgd")]
    part = "results/test/.state/fig_2/seed_42/varpro/parts/rows_2.pt"

    planned = jobs(snakemake(*models, "-n", folder=tmp_path, config=path).stdout)
    refused = snakemake(part, "-n", folder=tmp_path, config=path).stdout

    assert planned["train_part"] == 4 + 2 * 3 + 2 * 2  # of varpro only
    assert planned["train"] == 2
    assert "has no part 'rows_2'; it has: find, gram_spline_0, " in refused


def test_all_seeds_of_a_part_are_fitted_in_one_job_if_asked(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    """Seed 44 is only in the other collection: it is no business of the default one."""
    more = "collections: {more: {experiments: {fig_2: [42, 43, 44]}}}\n"
    path = config(
        ("fig_2: [42]", "fig_2: [42, 43]"),
        ("overrides:", f"{more}\noverrides:\n  fits.varpro.together: true"),
    )

    default = jobs(snakemake("--dry-run", folder=tmp_path, config=path).stdout)
    other = jobs(snakemake("more", "--dry-run", folder=tmp_path, config=path).stdout)

    assert default["train_fig_2_varpro_42"] == 1
    assert default["train"] == 2  # supp_3, and sgd, which runs for one seed
    assert default["simulate"] == 3
    assert other["train_fig_2_varpro_42"] == 1 and other["train"] == 2  # seed 44, and sgd
    assert other["simulate"] == 3


def test_an_experiment_that_no_figure_shows_is_drawn_all_the_same(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path]
) -> None:
    figures = yaml.safe_load((ROOT / "config" / "test.yaml").read_text())["figures"]
    figures = f"[{', '.join(figures)}]"
    path = config((f"figures: {figures}", "figures: [supp_3]"))

    planned = jobs(snakemake("--dry-run", folder=tmp_path, config=path).stdout)

    assert planned["figure"] == 1
    assert planned["figure_of_fit"] == 3 + 2 * 2  # the analysis of all fits, two more of fig_2's


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("analysis.curve_points", "analysis.curve_ponts", "did you mean 'curve_points'"),
        ("n_steps: 200", "n_steps: -1", "found -1; allowed: integer > 0"),
        ("fig_2: [42]", "fig_9: [42]", "there is no file"),
    ],
)
def test_a_broken_configuration_ends_the_dry_run_with_our_message(
    tmp_path: Path, snakemake: Run, config: Callable[..., Path], old: str, new: str, message: str
) -> None:
    run = snakemake("--dry-run", folder=tmp_path, config=config((old, new)))

    assert run.returncode != 0
    assert message in run.stdout
    assert "Traceback" not in run.stdout
    assert "pydantic" not in run.stdout
    assert len(run.stdout.strip().splitlines()) <= 5, run.stdout


def test_a_job_of_a_run_whose_settings_were_changed_meanwhile_is_refused(
    tmp_path: Path, snakemake: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURALGNN_RUN_SETTINGS", "of the run as it began")

    run = snakemake("--dry-run", folder=tmp_path, config=ROOT / "config/test.yaml")

    assert run.returncode != 0
    assert "was changed while the run goes on" in run.stdout


def test_the_profile_of_one_machine_keeps_jobs_within_its_memory(tmp_path: Path) -> None:
    """A rule that declares more than there is gets all there is, and no job beside it."""
    config, profile = ROOT / "config/test.yaml", ROOT / "workflow/profiles/default"
    where = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--dry-run", *where),
            *("--configfile", str(config), "--workflow-profile", str(profile)),
            *("--set-resources", "simulate:mem_mb=9000000000"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6
    assert run.returncode == 0, run.stdout + run.stderr
    simulate = (run.stdout + run.stderr).partition("rule simulate:")[2].partition("[")[0]
    assert f"mem_mb={there}," in simulate


def test_a_fit_that_does_not_exist_is_named(tmp_path: Path, snakemake: Run) -> None:
    target = "results/test/fig_2/seed_42/vapro/model.pt"

    run = snakemake(target, "-n", folder=tmp_path, config=ROOT / "config/test.yaml")

    assert run.returncode != 0
    assert "has no fit 'vapro'; it has: varpro, sgd" in run.stdout


def test_the_graph_is_static_and_drawn_without_a_run(tmp_path: Path, snakemake: Run) -> None:
    run = snakemake("--rulegraph", folder=tmp_path, config=ROOT / "config" / "test.yaml")

    assert run.returncode == 0, run.stdout
    assert run.stdout.count("label =") >= 8
    assert "checkpoint" not in "".join(
        p.read_text()
        for p in ROOT.glob("workflow/rules/*.smk")
        if (re.search(r"^checkpoint ", p.read_text(), re.MULTILINE))
    )


def test_the_linter_has_nothing_to_say(tmp_path: Path, snakemake: Run) -> None:
    run = snakemake("--lint", folder=tmp_path, config=ROOT / "config" / "test.yaml")

    assert run.returncode == 0, run.stdout


def test_every_rule_says_what_it_does_and_what_it_takes() -> None:
    """Docstring, log, benchmark, threads, memory, time and GPUs of every job."""
    text = "\n".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
    rules = re.split(r"^rule ", text, flags=re.MULTILINE)[1:]

    assert len(rules) == 15
    for rule in rules:
        name = rule.partition(":")[0]
        assert re.search(r'^    """.+', rule, re.MULTILINE), name
        for word in ("log:", "benchmark:", "threads:", "mem_mb=", "runtime=", "gpu=", "params:"):
            assert word in rule, f"{name} has no {word}"
