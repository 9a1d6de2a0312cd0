import os
from collections.abc import Callable
from pathlib import Path

import pytest

from neuralgnn.config import FlyConfig
from neuralgnn.config.fly import CHECKPOINT_VARIABLE
from neuralgnn.simulate.fly import Connectome, compile_connectome
from neuralgnn.simulate.fly.connectome import connectome_file


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """The connectome is a file of a package that users install by itself."""
    try:
        connectome_file()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """Parameters of a trained network, where the user has them."""
    path = os.environ.get(CHECKPOINT_VARIABLE)
    if not path:
        pytest.skip(f"{CHECKPOINT_VARIABLE} does not name a flyvis checkpoint")
    return Path(path)


@pytest.fixture(scope="session")
def eye() -> Connectome:
    """The connectome of 19 columns."""
    return compile_connectome(2)


@pytest.fixture(scope="session")
def whole() -> Connectome:
    """The connectome of the published extent, 217 columns."""
    return compile_connectome(8)


@pytest.fixture
def fly() -> Callable[..., FlyConfig]:
    """Makes the configuration of a fly with 7 columns; keywords replace settings."""

    def make(**changes) -> FlyConfig:
        return FlyConfig.model_validate(
            {
                "kind": "fly",
                "extent": 1,
                "stimulus": {"kind": "white_noise"},
                "n_frames": 90,
                "n_test_frames": 30,
                "record_drift": True,
            }
            | changes
        )

    return make
