"""Step ``simulate``: from settings to a recording."""

__all__ = ["held_out_recording", "simulate_step"]

import logging
from pathlib import Path
from typing import Literal

from neuralgnn.config.fly import FlyConfig
from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data.cost import measured
from neuralgnn.data.scratch import only_writer
from neuralgnn.models.place import place
from neuralgnn.simulate.fly.run import simulate_fly
from neuralgnn.simulate.run import simulate

_log = logging.getLogger(__name__)


@measured()
def simulate_step(
    config: SimulationConfig | FlyConfig,
    recording: Path,
    *,
    seed: int,
    device: Literal["auto", "cpu", "cuda"] | None = None,
) -> None:
    """Simulates a network; a killed run resumes and ends in the same bytes.

    The fly visual system is also recorded under held-out stimuli, in ``test.zarr`` beside the
    recording.

    Args:
        config: The network and how long it is recorded.
        recording: Folder of the recording.
        seed: Seed of everything random.
        device: Where to compute; None: as the settings say. The fly is always simulated on the
            CPU.

    Raises:
        ValueError: If ``cuda`` is asked for and there is none.
    """
    if isinstance(config, FlyConfig):
        for path, test in [(held_out_recording(recording), True), (recording, False)]:
            with only_writer(path):
                simulate_fly(config, path, seed=seed, test=test)
            _log.info("%s: %d frames", path, config.n_test_frames if test else config.n_frames)
    else:
        where = place(device or config.device)
        simulate(config, recording, seed=seed, device=where.type)
        _log.info("%s: %d frames", recording, config.n_frames)


def held_out_recording(recording: Path) -> Path:
    """Where the recording under held-out stimuli lies."""
    return recording.with_name("test.zarr")
