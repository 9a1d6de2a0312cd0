"""A recording that gives its room back: nothing half there, nothing unknown about it."""

import json
from pathlib import Path

import pytest

from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.steps.discard import discard_step
from neuralgnn.steps.simulate import simulate_step

CONFIG = SimulationConfig.model_validate(
    {
        "n_neurons": 8,
        "n_frames": 60,
        "neuron_types": [{"decay": 1.0, "self_coupling": 1.0}],
        "transfer": {"kind": "shared", "function": "tanh"},
        "connectivity": {"kind": "cauchy"},
    }
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "seed_1" / "activity.zarr"
    simulate_step(CONFIG, path, seed=1)
    return path


def test_what_a_recording_was_is_known_once_it_is_gone(recording: Path, tmp_path: Path) -> None:
    digest = open_recording(recording).digest

    record = tmp_path / "recording.json"
    discard_step(recording, record)

    (entry,) = json.loads(record.read_text())["discarded"].items()
    assert entry[0] == "activity.zarr" and entry[1]["bytes"] > 8 * 60 * 4
    assert entry[1]["attributes"]["content_sha256"] == digest
    assert list(recording.parent.iterdir()) == []

    simulate_step(CONFIG, recording, seed=1, record=record)
    assert open_recording(recording).digest == digest
    assert not record.exists()


def test_what_a_killed_run_left_is_removed_by_the_next(recording: Path, tmp_path: Path) -> None:
    recording.rename(recording.with_name("activity.zarr.discarded"))

    discard_step(recording, tmp_path / "recording.json")

    assert list(recording.parent.iterdir()) == []
    assert json.loads((tmp_path / "recording.json").read_text()) == {"discarded": {}}


def test_a_recording_that_is_not_whole_or_in_work_stays(recording: Path, tmp_path: Path) -> None:
    record = tmp_path / "recording.json"
    with only_writer(recording), pytest.raises(BlockingIOError):
        discard_step(recording, record)
    assert open_recording(recording).n_frames == 60

    (recording / "zarr.json").unlink()
    with pytest.raises(ValueError, match=r"activity\.zarr"):
        discard_step(recording, record)
    assert (recording / "activity").is_dir()
    assert not record.exists()
