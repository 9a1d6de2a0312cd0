"""Frames per second of the simulator and of the product it cannot do without."""

__all__ = ["make_recording", "simulation_rates"]

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from neuralgnn.config import SimulationConfig
from neuralgnn.data import open_recording, open_truth
from neuralgnn.simulate import RateEquation, simulate
from neuralgnn.simulate.integrate import euler_maruyama

_BLOCK = 500  # frames between looks at the clock
_ROUNDS = 11


def make_recording(config: SimulationConfig, path: Path, *, seed: int) -> dict[str, Any]:
    """Simulates a recording; returns frames per second of all of it, files included."""
    began = time.perf_counter()
    simulate(config, path, seed=seed, progress=False)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "rate": (config.burn_in + config.n_frames) / seconds}


def simulation_rates(path: Path) -> dict[str, Any]:
    """Times products with W alone and the integration in memory, in turn.

    Args:
        path: A simulated recording.

    Returns:
        Frames per second, ``product`` and ``integration``.

    Raises:
        ValueError: If the recording has no truth.
    """
    recording, truth = open_recording(path), open_truth(path)
    if truth is None:
        raise ValueError(f"{path} has no truth; simulate it")
    equation = RateEquation.from_truth(truth)
    x = torch.from_numpy(recording.activity(slice(0, 1))[0])
    activity, product = torch.empty(_BLOCK, len(x)), torch.empty_like(x)

    @torch.inference_mode()
    def multiply() -> None:
        for _ in range(_BLOCK):
            torch.mv(equation.weight, x, out=product)

    def integrate() -> None:
        euler_maruyama(equation, x, dt=recording.dt, activity=activity)

    seconds = [(_timed(multiply), _timed(integrate)) for _ in range(_ROUNDS)]
    products, integrations = zip(*seconds, strict=True)
    return {
        "product": _BLOCK / statistics.median(products),
        "integration": _BLOCK / statistics.median(integrations),
    }


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
