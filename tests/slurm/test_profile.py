"""The whole workflow in small on a real one-node SLURM, with a fit that is killed on the way."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from torch import Tensor

from neuralgnn.models import load_model

from .cluster import Cluster

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "slurm"

pytestmark = pytest.mark.slurm

_SITE = """\
jobs: 20
status: squeue
account: ""
extra: "--nice=5"
partitions:
  cpu: {max_runtime: 48h, max_threads: 4, max_mem_mb: 60000}
  gpu: {max_runtime: 48h, max_threads: 4, max_mem_mb: 60000, max_gpu: 2}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        yield cluster
    finally:
        cluster.stop()
    assert cluster.processes() == []


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Snakemake with the profile in a folder of its own; it is ended with the test."""
    (tmp_path / "site.yaml").write_text(_SITE)
    started = []

    def run(*arguments: str, config: Path) -> subprocess.Popen[str]:
        command = [
            *(sys.executable, "-m", "snakemake", *arguments),
            *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)),
            *("--workflow-profile", str(PROFILE), "--configfile", str(config)),
            # all on one small machine, which can be looked at often
            *("--slurm-init-seconds-before-status-checks", "1"),
            *("--seconds-between-status-checks", "1", "--latency-wait", "10"),
        ]
        with (tmp_path / "snakemake.log").open("w") as log:
            process = subprocess.Popen(
                command,
                env=cluster.environment | {"NEURALGNN_SITE": str(tmp_path / "site.yaml")},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The tiny configuration, with a fit long enough to be killed in the middle."""
    text = (ROOT / "config" / "test.yaml").read_text()
    for old, new in (("n_steps: 200", "n_steps: 800"), ("every: 20", "every: 40")):
        assert old in text
        text = text.replace(old, new)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "experiments").symlink_to(ROOT / "config" / "experiments")
    (folder / "test.yaml").write_text(text)
    return folder / "test.yaml"


def wait_for(condition: Callable[[], object], *, seconds: float, process, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, log.read_text()[-8000:]
        assert time.monotonic() < deadline, log.read_text()[-8000:]
        time.sleep(0.2)


def test_the_tiny_workflow_runs_on_slurm_and_a_killed_fit_goes_on(
    cluster: Cluster, start, config: Path, tmp_path: Path
) -> None:
    results, log = tmp_path / "results/test", tmp_path / "snakemake.log"
    point = results / ".state/fig_2/seed_42/sgd/sgd.pt"
    process = start("--set-resources", "train:gpu=1", config=config)

    wait_for(point.exists, seconds=240, process=process, log=log)
    (number,) = [job for job, comment in cluster.jobs().items() if "sgd" in comment]
    details = cluster.run("scontrol", "show", "job", number)
    cluster.run("scancel", "--signal=KILL", number)
    wait_for(lambda: process.poll() is not None, seconds=1500, process=process, log=log)

    assert process.returncode == 0, log.read_text()[-8000:]
    assert "Partition=gpu" in details
    assert re.search(r"TresPerJob=gres:gpu:1|gres/gpu=1", details), details
    assert "Nice=5" in details
    (resumed,) = re.findall(
        r"going on from step (\d+)", (results / "logs/train/fig_2_seed_42_sgd.log").read_text()
    )
    assert 0 < int(resumed) < 800
    assert not point.exists()
    assert (results / "report.html").is_file()
    for figure in yaml.safe_load((ROOT / "config/test.yaml").read_text())["figures"]:
        assert (results / f"figures/{figure}.pdf").is_file()
    assert any((tmp_path / "results/logs/slurm").rglob("*.log"))


def test_a_fit_in_parts_is_that_of_one_job(
    cluster: Cluster, start, config: Path, tmp_path: Path
) -> None:
    """Both as jobs of one run: with another number of threads sums are rounded otherwise."""
    fits = """\
  fits.alone: {target: {kind: drift}, trainer: {kind: varpro}}
  fits.alone.model: {activation: silu, hidden: 16}
"""
    for line in config.read_text().splitlines(keepends=True):
        if line.startswith("  fits.varpro.trainer."):
            fits += line.replace("fits.varpro.", "fits.alone.")
    fits += "  fits.varpro.trainer.scatter: {above: 39, n_stretches: 2, n_row_blocks: 2}\n"
    config.write_text(config.read_text().replace("overrides:\n", f"overrides:\n{fits}"))
    folders = [tmp_path / f"results/test/fig_2/seed_42/{fit}" for fit in ("varpro", "alone")]
    wanted = [folder / "checkpoints/training.json" for folder in folders]
    log = tmp_path / "snakemake.log"
    seen: set[str] = set()

    process = start(*(str(path.relative_to(tmp_path)) for path in wanted), config=config)
    wait_for(
        lambda: seen.update(cluster.jobs().values()) or process.poll() is not None,
        seconds=900,
        process=None,
        log=log,
    )

    assert process.returncode == 0, log.read_text()[-8000:]
    assert any("train_part" in comment for comment in seen), seen
    parts = tmp_path / "results/test/.state/fig_2/seed_42/varpro/parts"
    assert not list(parts.glob("*.pt"))  # no longer needed
    found, expected = (_last_weights(folder) for folder in folders)
    for name, value in expected.items():
        assert float((found[name].double() - value.double()).abs().max()) <= 1e-9, name


def _last_weights(fit: Path) -> dict[str, Tensor]:
    (checkpoint,) = fit.glob("checkpoints/checkpoint_*.pt")
    return load_model(checkpoint)[0].state_dict()


def test_a_job_that_fits_no_partition_is_refused(start, config: Path, tmp_path: Path) -> None:
    target = "results/test/fig_2/seed_42/activity.zarr/zarr.json"
    arguments = ["--set-resources", "simulate:gpu=3", "simulate:slurm_partition=gpu"]

    process = start(target, *arguments, "--retries", "0", config=config)

    assert process.wait(timeout=120) != 0
    assert "sbatch" in (tmp_path / "snakemake.log").read_text()
