"""The command line: help for newcomers, one line for errors, a whole fit of one's own data."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from neuralgnn.cli import main
from neuralgnn.data import recording_from_array
from neuralgnn.plot.origin import read_origin

ROOT = Path(__file__).parents[1]
EXPERIMENT = str(ROOT / "config/experiments/fig_2.yaml")
QUICK = [
    *("--set", "trainer.max_iterations=2", "--set", "trainer.n_coefficients=[6]"),
    *("--set", "trainer.n_update_coefficients=6", "--set", "trainer.starts=[linear]"),
]


def activity(n_frames: int = 2600, n_neurons: int = 8) -> np.ndarray:
    """A small rate network with noise, as somebody else's data."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(n_neurons, n_neurons)) * 1.5 / n_neurons**0.5
    x = np.empty((n_frames, n_neurons))
    x[0] = rng.normal(size=n_neurons)
    for t in range(1, n_frames):
        drift = -x[t - 1] + 2 * weight @ np.tanh(x[t - 1])
        x[t] = x[t - 1] + 0.05 * drift + 0.1 * rng.normal(size=n_neurons)
    return x.astype(np.float32)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    recording_from_array(tmp_path / "recording.zarr", activity(), dt=0.05)
    return tmp_path / "recording.zarr"


@pytest.mark.parametrize(
    "command", ["simulate", "import", "fit", "analyse", "figure", "config", "inspect"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])

    assert "usage: neuralgnn " + command in capsys.readouterr().out


def test_help_starts_with_an_example_of_one_s_own_data(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    out = capsys.readouterr().out
    assert "neuralgnn import activity.npy --dt 0.02 --out recording.zarr" in out
    assert "neuralgnn fit recording.zarr --out my_fit" in out


@pytest.mark.slow
def test_one_s_own_array_becomes_a_fit_with_numbers_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "mine.npy", activity())
    store, out = tmp_path / "mine.zarr", tmp_path / "fit"

    assert main(["import", str(tmp_path / "mine.npy"), "--dt", "0.05", "--out", str(store)]) == 0
    assert main(["fit", str(store), "--out", str(out), *QUICK]) == 0
    assert "model.pt" in capsys.readouterr().out

    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["target"] == "finite_difference"
    assert "one_step_r2" in metrics["metrics"]
    assert "weights_r2" not in metrics["metrics"]  # nobody knows the truth
    for picture in ("overview", "rollout", "identifiability"):
        assert (out / "figures" / f"{picture}.png").is_file()

    given = ["figure", "supp_2", str(out), "--out", str(tmp_path / "mine")]
    assert main([*given, "--set", 'plot.truth_color="#aa3355"', "--set", "plot.dpi=60"]) == 0
    assert (tmp_path / "mine.pdf").is_file()
    origin = read_origin(tmp_path / "mine.png")
    assert origin is not None and origin["config"]["truth_color"] == "#aa3355"
    capsys.readouterr()
    assert main([*given, "--set", "plot.truth_color=red"]) == 2
    assert 'found "red"; allowed: a colour "#rrggbb", or a grey' in capsys.readouterr().err
    for name in ("model.pt", "analysis/weights.zarr", "figures/overview.png", "metrics.json", ""):
        assert main(["inspect", str(out / name)]) == 0
        assert '"n_coefficients": [' in capsys.readouterr().out.replace("\n      ", ""), name
    assert main(["inspect", str(store)]) == 0
    assert "origin:" in capsys.readouterr().out


@pytest.mark.slow
def test_a_simulation_is_fitted_as_its_experiment_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [
        *("--set", "simulation.n_neurons=8", "--set", "simulation.n_frames=11000"),
        *("--set", "simulation.noise={kind: sde, std: 1.0}"),  # else so few come to rest
    ]

    assert main(["simulate", EXPERIMENT, "--out", str(tmp_path), "--seed", "3", *small]) == 0
    out = tmp_path / "fit"
    given = ["fit", str(tmp_path / "activity.zarr"), "--out", str(out), "--config", EXPERIMENT]
    fewer = [
        *("--set", "analysis.rollout={n_starts: 2, n_frames: 60, report_frames: [50]}"),
        *("--set", "analysis.lyapunov_frames=50"),
    ]
    assert main([*given, *QUICK, *fewer]) == 0

    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["target"] == "drift"
    assert {"weights_r2", "type_accuracy", "rollout_r2_50"} <= set(metrics["metrics"])


@pytest.mark.parametrize("action", ["show", "check"])
@pytest.mark.parametrize("file", ["config.yaml", "test.yaml", "experiments/supp_3.yaml"])
def test_configuration_files_are_shown_and_checked(
    action: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", action, str(ROOT / "config" / file)]) == 0

    kind = "experiment" if "supp" in file else "workflow"
    expected = (
        f"a valid {kind} file" if action == "check" else kind[:10] + "s" * (kind != "experiment")
    )
    assert (expected if action == "check" else ":") in capsys.readouterr().out


def _empty(path: Path) -> None:
    path.mkdir()


def _file(path: Path) -> None:
    path.write_text("not a store")


def _foreign(path: Path) -> None:
    zarr.create_group(path).create_array("activity", shape=(5, 2), dtype="f4")


def _truncated(path: Path) -> None:
    recording_from_array(path, activity(300), dt=0.05)
    chunk = max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    chunk.unlink()


def _not_finite(path: Path) -> None:
    recording_from_array(path, activity(), dt=0.05)
    array = zarr.open_group(path, mode="r+")["activity"]
    assert isinstance(array, zarr.Array)
    array[7, 3] = np.nan


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (None, "does not exist"),
        (_empty, "is not a zarr 3 store"),
        (_file, "is not a zarr 3 store"),
        (_foreign, "format"),
        (_truncated, "is truncated"),
        (_not_finite, "is nan at frame 7, neuron 3"),
    ],
)
def test_a_recording_that_cannot_be_used_ends_in_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil, message: str
) -> None:
    store = tmp_path / "bad.zarr"
    if spoil is not None:
        spoil(store)

    assert main(["fit", str(store), "--out", str(tmp_path / "fit"), *QUICK]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("neuralgnn fit: ")
    assert "Traceback" not in error
    assert not (tmp_path / "fit" / "model.pt").exists()
    assert not (tmp_path / "fit" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "none.yaml", "--out", "x"], "none.yaml: no such file"),
        (["simulate", EXPERIMENT, "--out", "x", "--set", "dt"], "--set dt: expected KEY=VALUE"),
        (
            ["simulate", EXPERIMENT, "--out", "x", "--set", "simulation.n_neuronz=5"],
            "--set simulation.n_neuronz of",
        ),
        (["fit", "r.zarr", "--out", "x", "--set", "trainer.n_steps=5"], "belongs to kind 'sgd'"),
        (["fit", "r.zarr", "--out", "x", "--config", EXPERIMENT, "--fit", "sdg"], "no fit 'sdg'"),
        (["fit", "r.zarr", "--out", "x", "--fit", "sgd"], "--fit names a fit of an experiment"),
        (["fit", "r.zarr", "--out", "x", "--target", "drift"], "r.zarr does not exist"),
        (["figure", "fig_9", "."], "there is no figure 'fig_9' of a fit; there are: fig_2"),
        (["figure", "fig_2", "nowhere"], "fit.json does not exist"),
        (["analyse", "nowhere"], "fit.json does not exist"),
        (["inspect", "nowhere"], "nowhere does not exist"),
        (["import", "none.npy", "--dt", "1", "--out", "x.zarr"], "none.npy does not exist"),
        (["config", "check", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(arguments) == 2

    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where_an_error_comes_from() -> None:
    with pytest.raises(FileNotFoundError):
        main(["inspect", "nowhere", "--debug"])


def test_settings_of_a_second_fit_of_the_experiment_are_taken(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording has no drift, which only that fit's target asks for."""
    given = ["fit", str(recording), "--out", str(tmp_path / "fit"), "--config", EXPERIMENT]

    assert main([*given, "--fit", "sgd"]) == 2

    assert "has no drift" in capsys.readouterr().err
