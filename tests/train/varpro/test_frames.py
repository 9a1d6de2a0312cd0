"""Frames with artefacts: which are left out, and what that does to W."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, recording_from_array
from neuralgnn.models import load_model
from neuralgnn.train.varpro import run_varpro
from neuralgnn.train.varpro.frames import FrameLoader

CPU = torch.device("cpu")
BAD = np.arange(50, 11_900, 97)  # frames with an artefact


@pytest.fixture(scope="module")
def spoilt(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same recording, with one neuron far out at one frame in a hundred."""
    activity = recording.activity(range(recording.n_frames)).copy()
    random = np.random.default_rng(5)
    activity[BAD, random.integers(100, size=len(BAD))] += random.choice([-300, 300], size=len(BAD))
    path = Path(tmp_path_factory.mktemp("spoilt")) / "activity.zarr"
    recording_from_array(path, activity, dt=recording.dt)
    return open_recording(path)


def loader(recording: Recording, limit: float | None) -> FrameLoader:
    return FrameLoader(
        recording, "finite_difference", CPU, reference=range(10_000), max_deviation=limit
    )


def test_exactly_the_frames_that_an_artefact_reaches_are_left_out(spoilt: Recording) -> None:
    load = loader(spoilt, 10)
    chosen = load.chosen(range(10_000), 10_000)

    # The rate of the frame before an artefact is spoilt as well.
    touched = set(BAD.tolist()) | set((BAD - 1).tolist())
    assert set(range(10_000)) - set(chosen.tolist()) == {t for t in touched if t < 10_000}
    assert load.n_left_out == {10_000: 10_000 - len(chosen)}
    assert len(loader(spoilt, None).chosen(range(10_000), 10_000)) == 10_000


def test_a_limit_that_leaves_too_few_frames_is_refused(spoilt: Recording) -> None:
    with pytest.raises(ValueError, match=r"max_deviation = 0.1 leaves 0 of 500 frames"):
        loader(spoilt, 0.1).chosen(range(10_000), 500)


def _error(recording: Recording, network, out: Path, limit: float | None) -> float:
    """1 - R² of W."""
    config = FitConfig.model_validate(
        {
            "model": {"activation": "silu", "hidden": 24},
            "trainer": {
                "kind": "varpro",
                "n_samples": 3000,
                "n_search_samples": 1500,
                "n_coefficients": (14,),
                "starts": ("saturating",),
                "max_iterations": 12,
                "n_update_coefficients": 14,
                "max_deviation": limit,
            },
        }
    )
    run_varpro(recording, config, out=out, state=out, seed=0, device=CPU, progress=False)
    model, _ = load_model(next(out.glob("checkpoint_*.pt")))
    grid = torch.full((1, 1), 12.0) / model.activity_scale
    weight = model.weight.detach().numpy() * float(model.transfer(grid).detach())
    off = ~np.eye(100, dtype=bool)
    return float(np.square(weight - network.weight)[off].sum() / network.weight[off].var() / 9900)


def test_weights_survive_artefacts(spoilt: Recording, network, tmp_path: Path) -> None:
    assert _error(spoilt, network, tmp_path, 10) < 0.01
