"""Step ``simulate``: from settings to a recording."""

__all__ = ["held_out_recording", "simulate_step"]

import logging
from pathlib import Path

from neuralgnn.config.fly import FlyConfig
from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data.cost import measured
from neuralgnn.simulate.fly.run import simulate_fly
from neuralgnn.simulate.run import simulate

_log = logging.getLogger(__name__)


@measured()
def simulate_step(
    config: SimulationConfig | FlyConfig, recording: Path, *, seed: int, device: str = "cpu"
) -> None:
    """Simulates a network; a killed run resumes and ends in the same bytes.

    The fly visual system is also recorded under held-out stimuli, in ``test.zarr`` beside the
    recording.

    Args:
        config: The network and how long it is recorded.
        recording: Folder of the recording.
        seed: Seed of everything random.
        device: Where to compute; the fly is always simulated on the CPU.
    """
    if isinstance(config, FlyConfig):
        for path, test in [(held_out_recording(recording), True), (recording, False)]:
            simulate_fly(config, path, seed=seed, test=test)
            _log.info("%s: %d frames", path, config.n_test_frames if test else config.n_frames)
    else:
        simulate(config, recording, seed=seed, device=device)
        _log.info("%s: %d frames", recording, config.n_frames)


def held_out_recording(recording: Path) -> Path:
    """Where the recording under held-out stimuli lies."""
    return recording.with_name("test.zarr")
