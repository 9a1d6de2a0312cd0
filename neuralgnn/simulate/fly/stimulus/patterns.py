"""Flashes, moving edges and bars, m-sequences, noise. Axes: S frames, C columns."""

__all__ = ["flashes", "m_sequence", "moving", "sequence", "white_noise"]

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from neuralgnn.config.fly_stimulus import (
    FlashStimulus,
    MovingBarStimulus,
    MovingEdgeStimulus,
    MSequenceStimulus,
    WhiteNoiseStimulus,
)
from neuralgnn.simulate.fly.lattice import columns, places, radius
from neuralgnn.simulate.fly.stimulus.show import Clip

# Exponents of a primitive polynomial x**n + ... + 1 over two elements, by n.
_TAPS = {
    4: (4, 3),
    5: (5, 3),
    6: (6, 5),
    7: (7, 6),
    8: (8, 6, 5, 4),
    9: (9, 5),
    10: (10, 7),
    11: (11, 9),
    12: (12, 6, 4, 1),
    13: (13, 4, 3, 1),
    14: (14, 5, 3, 1),
    15: (15, 14),
    16: (16, 15, 13, 4),
}


def flashes(config: FlashStimulus, *, extent: int, dt: float) -> Iterator[Clip]:
    """One clip per intensity: background, flash, background."""
    uv = columns(extent)
    lit = np.full(len(uv), True) if config.radius is None else radius(uv) <= config.radius
    pause, duration = _n_steps(config.pause, dt), _n_steps(config.duration, dt)
    for intensity in config.intensities:
        clip = np.full((2 * pause + duration, len(uv)), config.background)
        clip[pause : pause + duration, lit] = intensity
        yield clip


def moving(config: MovingEdgeStimulus, *, extent: int, dt: float) -> Iterator[Clip]:
    """One clip per intensity, speed and angle: background, sweep, what the sweep leaves behind.

    An edge or bar is straight, as long as the field is wide, and covers the share of a column's
    pitch that it has reached.
    """
    at = places(columns(extent))
    reach = np.hypot(*at.T).max() + 0.5
    width = config.width if isinstance(config, MovingBarStimulus) else np.inf
    pause = _n_steps(config.pause, dt)
    for intensity in config.intensities:
        for speed in config.speeds:
            travelled = 2 * reach + (0 if np.isinf(width) else width)
            front = -reach + speed * dt * np.arange(_n_steps(travelled / speed, dt) + 1)
            front = np.concatenate([np.full(pause, front[0]), front, np.full(pause, front[-1])])
            for angle in np.deg2rad(config.angles):
                along = at @ np.array([np.cos(angle), np.sin(angle)])
                ahead = front[:, None] - along
                covered = np.clip(ahead + 0.5, 0, 1) - np.clip(ahead - width + 0.5, 0, 1)
                yield config.background + covered * (intensity - config.background)


def m_sequence(
    config: MSequenceStimulus, n_frames: int, n_columns: int, *, generator: np.random.Generator
) -> Clip:
    """Each column follows the sequence from a place of its own, evenly spread over the period."""
    bits = sequence(config.order)
    shift = generator.permutation(n_columns) * len(bits) // n_columns
    time = np.arange(-(-n_frames // config.hold))[:, None]
    signs = 2.0 * bits[(time + shift + generator.integers(len(bits))) % len(bits)] - 1
    return np.repeat(0.5 + 0.5 * config.contrast * signs, config.hold, axis=0)[:n_frames]


def sequence(order: int) -> Int[np.ndarray, " period"]:
    """A binary sequence of period 2**order - 1, with an autocorrelation of -1 at every shift."""
    register = [1] * order
    bits = np.empty(2**order - 1, dtype=np.int64)
    for step in range(len(bits)):
        bits[step] = register[-1]
        feedback = sum(register[tap - 1] for tap in _TAPS[order]) % 2
        register = [feedback, *register[:-1]]
    return bits


def white_noise(
    config: WhiteNoiseStimulus, n_frames: int, n_columns: int, *, generator: np.random.Generator
) -> Clip:
    """Independent uniform luminance of each column."""
    values: Float[np.ndarray, "S C"] = generator.random((-(-n_frames // config.hold), n_columns))
    return np.repeat(0.5 + config.contrast * (values - 0.5), config.hold, axis=0)[:n_frames]


def _n_steps(seconds: float, dt: float) -> int:
    return max(0, round(seconds / dt))
