from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuralgnn.data import recording_from_array


@pytest.fixture
def activity() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)


@pytest.fixture
def truth() -> xr.Dataset:
    weight = np.random.default_rng(1).standard_normal((7, 7)).astype(np.float32)
    return xr.Dataset({"weight": (("post", "pre"), weight), "type": ("neuron", np.arange(7))})


@pytest.fixture
def store(tmp_path: Path, activity: np.ndarray, truth: xr.Dataset) -> Path:
    path = tmp_path / "activity.zarr"
    recording_from_array(path, activity, dt=0.1, drift=2 * activity, truth=truth)
    return path
