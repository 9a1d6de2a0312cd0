from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.data import Recording, open_recording, recording_from_array, write_json
from neuralgnn.models import AssemblyGNN, save_checkpoint
from neuralgnn.train import select

SETTINGS = {"target_kind": "drift", "validation_fraction": 0.2, "device": "cpu"}


def write_fit(folder: Path, models: dict[int, AssemblyGNN]) -> None:
    listed = []
    for step, model in models.items():
        save_checkpoint(folder / f"checkpoint_{step:08d}.pt", model, step=step, provenance={})
        listed.append({"file": f"checkpoint_{step:08d}.pt", "step": step})
    write_json(folder / "training.json", {"checkpoints": listed})


def shifted(constant: float, n_neurons: int = 3) -> AssemblyGNN:
    """A model that predicts the same rate everywhere."""
    model = AssemblyGNN(n_neurons)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.update.layers[-1].bias.fill_(constant)
    return model


@pytest.fixture
def constant_drift(tmp_path: Path) -> Recording:
    """Drift 9 in the training stretch, 1 in the last 20 of 100 frames."""
    activity = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
    drift = np.full((100, 3), 9.0, np.float32)
    drift[80:] = 1.0
    recording_from_array(tmp_path / "activity.zarr", activity, dt=0.1, drift=drift)
    return open_recording(tmp_path / "activity.zarr")


def test_smallest_error_on_held_out_frames_wins(constant_drift: Recording, tmp_path: Path) -> None:
    write_fit(tmp_path, {10: shifted(9.0), 20: shifted(1.5), 30: shifted(3.0)})

    chosen = select(constant_drift, tmp_path, **SETTINGS)

    assert (chosen["file"], chosen["step"]) == ("checkpoint_00000020.pt", 20)
    assert chosen["error"] == pytest.approx(0.5)
    assert [entry["error"] for entry in chosen["errors"]] == pytest.approx([8.0, 0.5, 2.0])
    assert chosen["n_frames"] == 20


def test_of_equal_errors_the_later_wins(constant_drift: Recording, tmp_path: Path) -> None:
    write_fit(tmp_path, {10: shifted(0.5), 20: shifted(1.5), 30: shifted(7.0)})

    assert select(constant_drift, tmp_path, **SETTINGS)["step"] == 20


def test_checkpoint_that_is_not_finite_never_wins(
    constant_drift: Recording, tmp_path: Path
) -> None:
    write_fit(tmp_path, {10: shifted(5.0), 20: shifted(float("nan"))})

    assert select(constant_drift, tmp_path, **SETTINGS)["step"] == 10


def test_finite_differences_of_the_held_out_stretch_are_used(
    constant_drift: Recording, tmp_path: Path
) -> None:
    write_fit(tmp_path, {10: shifted(0.0)})
    x = constant_drift.activity().astype(np.float64)
    expected = np.sqrt(np.mean((np.diff(x[80:], axis=0) / 0.1) ** 2))

    chosen = select(constant_drift, tmp_path, **{**SETTINGS, "target_kind": "finite_difference"})

    assert chosen["n_frames"] == 19
    assert chosen["error"] == pytest.approx(expected, rel=1e-5)


def test_fit_of_another_recording_is_refused(constant_drift: Recording, tmp_path: Path) -> None:
    write_fit(tmp_path, {10: shifted(0.0, n_neurons=4)})

    with pytest.raises(ValueError, match=r"has 4 neurons, the recording .* has 3"):
        select(constant_drift, tmp_path, **SETTINGS)


def test_unfinished_fit_is_refused(constant_drift: Recording, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.json does not exist"):
        select(constant_drift, tmp_path / "nothing", **SETTINGS)
