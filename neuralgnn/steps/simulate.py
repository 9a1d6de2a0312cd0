"""Step ``simulate``: from settings to a recording."""

__all__ = ["simulate_step"]

import logging
from pathlib import Path

from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.simulate.run import simulate


def simulate_step(
    config: SimulationConfig, recording: Path, *, seed: int, device: str = "cpu"
) -> None:
    """Simulates an assembly; a killed run resumes and ends in the same bytes.

    Args:
        config: The assembly and how long it is recorded.
        recording: Folder of the recording.
        seed: Seed of everything random.
        device: Where to compute.
    """
    simulate(config, recording, seed=seed, device=device)
    logging.getLogger(__name__).info("%s: %d frames", recording, config.n_frames)
