"""Step ``simulate``: from settings to a recording."""

__all__ = ["ablated_recording", "held_out_recording", "simulate_step"]

import logging
import shutil
from pathlib import Path
from typing import Literal

import torch

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
    record: Path | None = None,
) -> None:
    """Simulates a network; a killed run resumes and ends in the same bytes.

    The fly visual system is also recorded under held-out stimuli, in ``test.zarr`` beside the
    recording, and with silent edges in ``ablated.zarr`` if ``test_ablation`` asks for it.

    Args:
        config: The network and how long it is recorded.
        recording: Folder of the recording.
        seed: Seed of everything random.
        device: Where to compute; None: as the settings say.
        record: What says that the recording was discarded, if it was; removed when it is back.

    Raises:
        ValueError: If ``cuda`` is asked for and there is none.
    """
    where = place(device or config.device)
    if isinstance(config, FlyConfig):
        _simulate_fly(config, recording, seed=seed, device=where)
    else:
        simulate(config, recording, seed=seed, device=where.type)
        _log.info("%s: %d frames", recording, config.n_frames)
    if record is not None:
        record.unlink(missing_ok=True)


def held_out_recording(recording: Path) -> Path:
    """Where the recording under held-out stimuli lies."""
    return recording.with_name("test.zarr")


def ablated_recording(recording: Path) -> Path:
    """Where the same of the network with silent edges lies, if there is one."""
    return recording.with_name("ablated.zarr")


def _simulate_fly(config: FlyConfig, recording: Path, *, seed: int, device: torch.device) -> None:
    """Test recordings first: the recording itself vouches for them."""
    test, ablated = held_out_recording(recording), ablated_recording(recording)
    with only_writer(test):
        simulate_fly(config, test, seed=seed, test=True, device=device)
    _log.info("%s: %d frames", test, config.n_test_frames)
    with only_writer(ablated):
        if config.test_ablation is None:
            shutil.rmtree(ablated, ignore_errors=True)  # of an earlier run that asked for it
        else:
            silent = {"test": True, "ablation": config.test_ablation}
            simulate_fly(config, ablated, seed=seed, device=device, **silent)
            _log.info("%s: %d frames", ablated, config.n_test_frames)
    with only_writer(recording):
        simulate_fly(config, recording, seed=seed, device=device)
    _log.info("%s: %d frames", recording, config.n_frames)
