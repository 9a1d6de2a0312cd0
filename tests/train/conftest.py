from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, recording_from_array

DT = 0.02
N_DRIVEN_FRAMES = 6000


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


class DrivenNetwork:
    """30 neurons of one type; the field is a wave that runs over a grid of 3 x 3 of them."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.weight = random.standard_normal((30, 30)) * 2.5 / 30**0.5
        np.fill_diagonal(self.weight, 0)
        t = np.arange(N_DRIVEN_FRAMES)[:, None, None] / N_DRIVEN_FRAMES
        row, column = np.mgrid[:3, :3] / 2
        wave = np.sin(2 * np.pi * (2 * t + 0.3 * row + 0.2 * column))
        self.field = (1 + 0.2 * row + 0.4 * wave).reshape(N_DRIVEN_FRAMES, 9)

    def record(self, path: Path) -> Recording:
        random, drive = np.random.default_rng(1), np.ones((N_DRIVEN_FRAMES, 30))
        drive[:, :9] = self.field
        x, frames, rates = random.normal(scale=2, size=30), [], []
        for omega in drive:
            rate = -x + np.tanh(x) + omega * (self.weight @ np.tanh(x))
            frames.append(x)
            rates.append(rate)
            x = x + 0.02 * rate + 0.5 * random.standard_normal(30)
        recording_from_array(path, np.float32(frames), dt=0.02, drift=np.float32(rates))
        return open_recording(path)


@pytest.fixture(scope="session")
def driven(tmp_path_factory: pytest.TempPathFactory) -> tuple[DrivenNetwork, Recording]:
    network = DrivenNetwork()
    return network, network.record(Path(tmp_path_factory.mktemp("driven")) / "activity.zarr")
