from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, recording_from_array

DT = 0.02


class Assembly:
    """A small network with known weights: dx/dt = -x + s tanh(x) + W tanh(x), s by type."""

    def __init__(self, n_neurons: int, *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.weight = rng.standard_normal((n_neurons, n_neurons)) * 3 / np.sqrt(n_neurons)
        np.fill_diagonal(self.weight, 0)
        self.self_coupling = np.where(np.arange(n_neurons) < n_neurons // 2, 1.0, 3.0)
        self.rng = rng

    def drift(self, x: np.ndarray) -> np.ndarray:
        return -x + self.self_coupling * np.tanh(x) + np.tanh(x) @ self.weight.T

    def run(self, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
        x, states = self.rng.standard_normal(len(self.weight)), []
        for _ in range(n_frames):
            states.append(x)
            # A little noise: finite differences are then not the drift.
            x = x + DT * self.drift(x) + 0.01 * self.rng.standard_normal(len(x))
        states = np.array(states)
        return states.astype(np.float32), self.drift(states).astype(np.float32)


@pytest.fixture(scope="session")
def assembly() -> Assembly:
    return Assembly(20, seed=3)


@pytest.fixture(scope="session")
def recording(assembly: Assembly, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    x, drift = assembly.run(6000)
    path = tmp_path_factory.mktemp("recording") / "activity.zarr"
    # A truth that would raise if it were read as weights: fits must not depend on it.
    truth = xr.Dataset({"weight": (("post", "pre"), np.full((20, 20), np.nan))})
    recording_from_array(path, x, dt=DT, drift=drift, truth=truth)
    return open_recording(path)


@pytest.fixture
def sgd_config() -> Callable[..., FitConfig]:
    def build(*, target: str = "drift", model: dict | None = None, **trainer) -> FitConfig:
        settings = {"n_steps": 60, "checkpoint_every": 20, "lr_weight": 5e-3, "cluster_at": []}
        return FitConfig.model_validate(
            {
                "target": {"kind": target},
                "model": model or {},
                "trainer": {"kind": "sgd", **settings, **trainer},
                "device": "cpu",
            }
        )

    return build


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {"out": tmp_path / "out", "state": tmp_path / "state"}
