"""The rule that records the fly: planned without a run, and run in small."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from neuralgnn.cli.inspection import describe_path
from neuralgnn.data import open_recording, open_truth
from neuralgnn.simulate.fly.connectome import connectome_file

Run = Callable[..., subprocess.CompletedProcess[str]]
TARGETS = [f"results/fly/seed_1/{name}.zarr/zarr.json" for name in ("activity", "test")]

EXPERIMENT = """
title: fly of 7 columns
simulation:
  {kind: fly, extent: 1, n_frames: 1000, n_test_frames: 50, stimulus: {kind: white_noise}}
fits: {varpro: {trainer: {kind: varpro_graph}}}
analysis: {rollout: {n_starts: 1, n_frames: 20, report_frames: [20]}}
"""


@pytest.fixture
def connectome() -> None:
    try:
        connectome_file()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "fly.yaml").write_text(EXPERIMENT)
    path = tmp_path / "settings.yaml"
    path.write_text("experiments: {fly: [1]}\n")
    return path


@pytest.mark.usefixtures("connectome")
def test_one_job_makes_recording_and_test_recording(
    tmp_path: Path, snakemake: Run, settings: Path
) -> None:
    run = snakemake(*TARGETS, folder=tmp_path, config=settings)

    assert run.returncode == 0, run.stdout[-3000:]
    assert "simulate_fly" in run.stdout
    train, test = (open_recording(tmp_path / target).path for target in map(_store, TARGETS))
    assert open_recording(train).n_frames == 1000
    assert open_recording(test).n_frames == 50
    assert open_truth(train) is not None


@pytest.mark.usefixtures("connectome")
def test_recordings_that_are_not_kept_are_gone_and_not_missed(
    tmp_path: Path, snakemake: Run, settings: Path
) -> None:
    values = "keep_recordings: false\n"
    settings.write_text(settings.read_text() + values)

    run = snakemake(folder=tmp_path, config=settings)
    again = snakemake(folder=tmp_path, config=settings)

    assert run.returncode == 0, run.stdout[-3000:]
    assert (tmp_path / "results" / "report.html").is_file()
    left = {path.name for path in (tmp_path / "results" / "fly" / "seed_1").iterdir()}
    assert left == {"recording.json", "varpro"}
    record = tmp_path / "results" / "fly" / "seed_1" / "recording.json"
    assert set(json.loads(record.read_text())["discarded"]) == {"activity.zarr", "test.zarr"}
    assert "Nothing to be done" in again.stdout

    settings.write_text(settings.read_text().removesuffix(values))
    assert snakemake(TARGETS[0], folder=tmp_path, config=settings).returncode == 0
    assert not record.exists()  # it is back

    table = tmp_path / "results" / "fly" / "seed_1" / "varpro" / "analysis" / "circuit.csv"
    assert table.read_text().startswith("post_type,pre_type,n_edges,learned_total,true_total")
    described = describe_path(table)
    assert "weights between cell types" in described and "not known" not in described


def test_a_checkpoint_that_is_not_there_is_asked_for_in_one_line(
    tmp_path: Path, snakemake: Run, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEURALGNN_FLY_CHECKPOINT", raising=False)
    file = tmp_path / "experiments" / "fly.yaml"
    file.write_text(EXPERIMENT.replace("extent: 1", "extent: 1, parameters: {kind: pretrained}"))

    run = snakemake(TARGETS[0], folder=tmp_path, config=settings)

    assert run.returncode != 0
    assert "error: FileNotFoundError: parameters.kind is 'pretrained', but neither" in run.stdout
    assert "Traceback" not in run.stdout


def _store(target: str) -> Path:
    return Path(target).parent
