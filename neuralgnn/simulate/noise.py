"""Random numbers of simulations: where they come from, and how large noise is in a step."""

__all__ = ["step_std", "torch_generator"]

import numpy as np
import torch

from neuralgnn.config.simulation import Noise


def torch_generator(sequence: np.random.SeedSequence) -> torch.Generator:
    """A generator of PyTorch, on the CPU, seeded from a sequence."""
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))


def step_std(noise: Noise, *, dt: float) -> float:
    """Standard deviation of what noise adds in one step [activity]."""
    if noise.kind == "none":
        return 0.0
    return noise.std if noise.kind == "per_step" else noise.std * dt**0.5
