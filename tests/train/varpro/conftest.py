from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float

from neuralgnn.data import Recording, open_recording, recording_from_array


@dataclass(frozen=True)
class Network:
    """A chaotic network of 100 neurons of four types; its gain is in the weights."""

    weight: Float[np.ndarray, "N N"]
    decay: Float[np.ndarray, " N"]
    self_coupling: Float[np.ndarray, " N"]

    def update(self, x: np.ndarray) -> np.ndarray:
        return -self.decay * x + self.self_coupling * np.tanh(x)

    def drift(self, x: np.ndarray) -> np.ndarray:
        return self.update(x) + self.weight @ np.tanh(x)


@pytest.fixture(scope="session")
def network() -> Network:
    draws = np.random.default_rng(0).standard_cauchy((100, 100))
    draws[np.abs(draws) > 25] = 0
    weight = 10 * draws / 100**0.7
    np.fill_diagonal(weight, 0)
    return Network(
        weight,
        decay=np.repeat([1.0, 2.0], 50),
        self_coupling=np.tile(np.repeat([1.0, 2.0], 25), 2),
    )


@pytest.fixture(scope="session")
def recording(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """12,000 frames of its activity, noise-free."""
    x = np.random.default_rng(1).normal(scale=5, size=100)
    frames, rates = [], []
    for step in range(13_000):
        rate = network.drift(x)
        if step >= 1000:
            frames.append(x)
            rates.append(rate)
        x = x + 0.01 * rate
    path = Path(tmp_path_factory.mktemp("varpro")) / "activity.zarr"
    recording_from_array(path, np.float32(frames), dt=0.01, drift=np.float32(rates))
    return open_recording(path)
