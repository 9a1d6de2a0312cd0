"""What happens at which step: learning rates, checkpoints, cluster-and-retrain."""

__all__ = ["checkpoint_steps", "decay", "event_steps", "is_resting"]

import math
from collections.abc import Collection

import numpy as np

# Share of the steps that psi and a rest after a clustering; published: one epoch of ten.
_REST = 0.1


def decay(step: int, *, n_steps: int, decay_from: float) -> float:
    """Factor of the learning rates at a step: one, then half a cosine down to zero.

    Args:
        step: Step, counted from 1.
        n_steps: Number of steps.
        decay_from: Share of the steps after which it falls; 1 for never.
    """
    share = (step - 1) / n_steps
    if share < decay_from:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (share - decay_from) / (1 - decay_from)))


def checkpoint_steps(*, n_steps: int, every: int, keep: int) -> list[int]:
    """Steps whose model is kept: at most ``keep`` multiples of ``every``, and the last step.

    They are spread evenly and known from the start, so that a resumed run keeps the same.
    """
    candidates = sorted({*range(every, n_steps + 1, every), n_steps})
    chosen = np.linspace(0, len(candidates) - 1, min(keep, len(candidates))).round().astype(int)
    return [candidates[index] for index in chosen]


def event_steps(shares: Collection[float], *, n_steps: int) -> set[int]:
    """Steps after which something happens that is set as shares of all steps."""
    return {min(max(1, round(share * n_steps)), n_steps) for share in shares}


def is_resting(step: int, events: Collection[int], *, n_steps: int) -> bool:
    """Whether psi and the latent vectors are held at this step, some time after a clustering."""
    return any(event < step <= event + _REST * n_steps for event in events)
