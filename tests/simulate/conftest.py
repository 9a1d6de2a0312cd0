from collections.abc import Callable

import pytest

from neuralgnn.config import SimulationConfig

FOUR_TYPES = [
    {"decay": 1.0, "self_coupling": 1.0},
    {"decay": 1.0, "self_coupling": 2.0},
    {"decay": 2.0, "self_coupling": 1.0, "offset": 0.3, "gain": 8.0},
    {"decay": 2.0, "self_coupling": 2.0},
]
SHAPES = [(1.0, 0.0), (2.0, 0.5), (4.0, -0.3), (2.0, 1.0)]  # width and threshold of each type


@pytest.fixture
def assembly() -> Callable[..., SimulationConfig]:
    """Makes the configuration of a small assembly of four types; keywords replace sections."""

    def make(*, transfer: str = "shared", function: str = "tanh", **changes) -> SimulationConfig:
        rows = [dict(row) for row in FOUR_TYPES]
        if transfer != "shared":
            for row, (width, threshold) in zip(rows, SHAPES, strict=True):
                row |= {"width": width, "threshold": threshold}
        return SimulationConfig.model_validate(
            {
                "n_neurons": 22,
                "n_frames": 200,
                "burn_in": 30,
                "neuron_types": rows,
                "transfer": {"kind": transfer, "function": function},
                "connectivity": {"kind": "cauchy"},
                "record_drift": True,
            }
            | changes
        )

    return make
