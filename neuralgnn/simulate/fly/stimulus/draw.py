"""From settings to what is shown at each time step. Axes: T time steps, S frames, C columns."""

__all__ = ["draw_stimulus"]

from pathlib import Path

import numpy as np

from neuralgnn.config.fly_stimulus import (
    ArrayStimulus,
    BlankStimulus,
    DavisStimulus,
    FlashStimulus,
    FlyStimulus,
    MovingEdgeStimulus,
    MSequenceStimulus,
    NaturalisticStimulus,
    SintelStimulus,
    WhiteNoiseStimulus,
)
from neuralgnn.data.importing import open_array
from neuralgnn.simulate.fly.lattice import columns, n_columns, places
from neuralgnn.simulate.fly.stimulus.natural import natural_frames
from neuralgnn.simulate.fly.stimulus.patterns import flashes, m_sequence, moving, white_noise
from neuralgnn.simulate.fly.stimulus.show import (
    Show,
    check_luminance,
    one_after_another,
    repeated,
)
from neuralgnn.simulate.fly.stimulus.videos import davis_clips, sintel_clips


def draw_stimulus(
    config: FlyStimulus,
    *,
    extent: int,
    n_frames: int,
    dt: float,
    test: bool,
    generator: np.random.Generator,
) -> Show:
    """What is shown.

    Args:
        config: The stimulus.
        extent: Radius of the lattice [column].
        n_frames: Number of time steps.
        dt: Length of a time step [s].
        test: Whether it is for the test recording. Videos and arrays are split; what is drawn at
            random differs by the generator.
        generator: Where order and content are drawn from.

    Raises:
        FileNotFoundError: If a file or folder is missing or empty.
        ValueError: If a file cannot be used, or a luminance is outside [0, 1].
    """
    size = n_columns(extent)
    match config:
        case NaturalisticStimulus():
            at = places(columns(extent))
            frames = natural_frames(config, at, n_frames, dt=dt, generator=generator)
            return one_after_another(frames)
        case DavisStimulus():
            clips = list(davis_clips(config, extent=extent, test=test))
        case SintelStimulus():
            clips = list(sintel_clips(config, extent=extent, test=test))
        case FlashStimulus():
            clips = list(flashes(config, extent=extent, dt=dt))
        case MovingEdgeStimulus():  # and bars
            clips = list(moving(config, extent=extent, dt=dt))
        case MSequenceStimulus():
            return one_after_another(m_sequence(config, n_frames, size, generator=generator))
        case WhiteNoiseStimulus():
            return one_after_another(white_noise(config, n_frames, size, generator=generator))
        case BlankStimulus():
            clips = [np.full((1, size), config.luminance)]
        case ArrayStimulus():
            clips = [_array(config, n_columns=size, test=test)]
    return repeated(clips, n_frames, generator=generator)


def _array(config: ArrayStimulus, *, n_columns: int, test: bool) -> np.ndarray:
    path = config.test_path if test and config.test_path else config.path
    values = np.asarray(open_array(Path(path), key=config.key))
    if values.ndim != 2 or values.shape[1] != n_columns or values.dtype.kind not in "fiub":
        raise ValueError(
            f"{path} has shape {values.shape} and dtype {values.dtype}; expected numbers with one "
            f"row per frame and one column for each of the {n_columns} columns of this extent"
        )
    check_luminance(values.astype(np.float64), name=str(path))
    if config.test_path:
        return values
    n_train = len(values) - max(1, len(values) // 10)
    if n_train < 1:
        raise ValueError(
            f"{path} has {len(values)} frame: too few to hold the last tenth out for the test; "
            "give stimulus.test_path"
        )
    return values[n_train:] if test else values[:n_train]
