from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float

from neuralgnn.data import Recording, open_recording, recording_from_array

DECAY = np.repeat([1.0, 2.0], 50)
SELF_COUPLING = np.tile(np.repeat([1.0, 2.0], 25), 2)


def true_weight() -> Float[np.ndarray, "100 100"]:
    """Effective weights of a chaotic network, gain included."""
    draws = np.random.default_rng(0).standard_cauchy((100, 100))
    draws[np.abs(draws) > 25] = 0
    weight = 10 * draws / 100**0.7
    np.fill_diagonal(weight, 0)
    return weight


def drift(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return -DECAY * x + SELF_COUPLING * np.tanh(x) + np.tanh(x) @ weight.T


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """100 neurons of four types, 12,000 frames, noise-free."""
    weight = true_weight()
    x = np.random.default_rng(1).normal(scale=5, size=100)
    frames, rates = [], []
    for step in range(13_000):
        rate = drift(x, weight)
        if step >= 1000:
            frames.append(x)
            rates.append(rate)
        x = x + 0.01 * rate
    path = Path(tmp_path_factory.mktemp("varpro")) / "activity.zarr"
    recording_from_array(path, np.float32(frames), dt=0.01, drift=np.float32(rates))
    return open_recording(path)
