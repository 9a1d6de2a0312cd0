"""Synthetic movies like those that an eye in flight sees. Axes: T time steps, C columns, P pixels.

A scene is a periodic picture, of 1/f texture or of dead leaves: discs of all sizes that occlude
each other, whose edges and statistics are those of natural images (Lee, Mumford & Huang 2001). The
eye moves through it with slowly turning velocity, turns and approaches; discs with scenes of their
own move in front. Columns average over their pitch. Clips of flicker, white noise and black and
white patches in between drive cells that movies leave silent.

With the parameters of the trained network, 97.2 % of the 434,112 edges have a sender that fires
(6000 frames, with and without process noise of 0.05). The rest come from L1, L2, Am and some of
Lawf1. The first three cannot fire under any luminance: photoreceptors receive no inhibition that
acts, so they stay above their resting potentials, and what they send then already keeps those
three below threshold. Their edges hold 0.9 % of the variance of W.
"""

__all__ = ["natural_frames"]

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Float32

from neuralgnn.config.fly_stimulus import NaturalisticStimulus
from neuralgnn.simulate.fly.stimulus.show import Clip

_PIXELS = 3  # per column
_SCENE = 128  # size of a scene [column]
_N_SCENES = 6  # of each kind
_N_LEAVES = 2500
_HOLDS = (1, 2, 4, 8)  # time steps that a frame of noise is shown for


def natural_frames(
    config: NaturalisticStimulus,
    places: Float[np.ndarray, "C 2"],
    n_frames: int,
    *,
    dt: float,
    generator: np.random.Generator,
) -> Float32[np.ndarray, "T C"]:
    """Clips one after another, until all time steps are filled.

    Args:
        config: Shares, contrasts and speeds.
        places: Where columns are on the image [column].
        n_frames: Number of time steps.
        dt: Length of a time step [s].
        generator: Where everything is drawn from.
    """
    (for_scenes,) = generator.spawn(1)
    frames = np.empty((n_frames, len(places)), dtype=np.float32)
    shares = np.cumsum([config.flicker, config.white_noise, config.binary])
    scenes = _Scenes.draw(for_scenes) if shares[-1] < 1 else None
    start = 0
    while start < n_frames:
        low, high = config.clip_frames
        length = int(generator.integers(low, high + 1))
        kind = np.searchsorted(shares, generator.random(), side="right")
        if scenes is not None and kind == len(shares):
            clip = _movie(config, scenes, places, length, dt, generator)
        elif kind == 0:
            clip = _flicker(len(places), length, generator)
        elif kind == 1:
            clip = _white_noise(len(places), length, generator)
        else:
            clip = _patches(places, length, generator)
        contrast = generator.choice(config.contrasts)
        mean = 0.5 + (1 - contrast) * (generator.random() - 0.5)
        shown = np.clip(mean + contrast * (clip - 0.5), 0, 1)[: n_frames - start]
        frames[start : start + len(shown)] = shown
        start += len(shown)
    return frames


def _flicker(n_columns: int, length: int, generator: np.random.Generator) -> Clip:
    hold = generator.choice(_HOLDS)
    values = generator.random((-(-length // hold), 1))
    return np.repeat(np.repeat(values, hold, axis=0)[:length], n_columns, axis=1)


def _white_noise(n_columns: int, length: int, generator: np.random.Generator) -> Clip:
    hold = generator.choice(_HOLDS)
    values = generator.random((-(-length // hold), n_columns))
    return np.repeat(values, hold, axis=0)[:length]


def _patches(
    places: Float[np.ndarray, "C 2"], length: int, generator: np.random.Generator
) -> Clip:
    """Each column shows the black or white of the nearest of some random points."""
    n_patches = int(np.exp(generator.uniform(np.log(3), np.log(len(places) + 3))))
    points = generator.uniform(places.min() - 1, places.max() + 1, (n_patches, 2))
    nearest = np.argmin(((places[:, None] - points) ** 2).sum(axis=-1), axis=1)
    hold = generator.choice(_HOLDS)
    values = generator.integers(0, 2, (-(-length // hold), n_patches)).astype(np.float64)
    return np.repeat(values, hold, axis=0)[:length, nearest]


def _movie(
    config: NaturalisticStimulus,
    scenes: "_Scenes",
    places: Float[np.ndarray, "C 2"],
    length: int,
    dt: float,
    generator: np.random.Generator,
) -> Clip:
    leaves = generator.random() < config.dead_leaves
    path = _walk(config, length, dt, generator)
    angle = generator.uniform(0, 2 * np.pi) + np.arange(length) * dt * generator.normal(0, 1)
    zoom = np.exp(np.arange(length) * dt * generator.normal(0, 0.3))
    turn = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    seen = np.einsum("ijt,cj->tci", turn, places) + path[:, None]  # (T, C, 2)
    clip = scenes.look(seen, leaves=leaves, generator=generator)
    edge = np.abs(places).max()
    for _ in range(generator.integers(0, config.max_objects + 1)):
        centre = _walk(config, length, dt, generator) + generator.uniform(-edge, edge, 2)
        centre = (centre + 1.5 * edge) % (3 * edge) - 1.5 * edge  # comes in again behind
        radius = np.exp(generator.uniform(0, np.log(max(edge, 1.5))))
        away = places - centre[:, None]  # (T, C, 2)
        cover = np.clip(radius - np.hypot(*np.moveaxis(away, -1, 0)) + 0.5, 0, 1)
        surface = scenes.look(
            away + generator.uniform(0, _SCENE, 2), leaves=leaves, generator=generator
        )
        shade = generator.uniform(-0.5, 0.5)
        clip = clip + cover * (np.clip(surface + shade, 0, 1) - clip)
    return clip


def _walk(
    config: NaturalisticStimulus, length: int, dt: float, generator: np.random.Generator
) -> Float[np.ndarray, "T 2"]:
    """Places along a path of constant speed whose direction wanders [column]."""
    slowest, fastest = np.log(config.max_speed / 50), np.log(config.max_speed)
    speed = np.exp(generator.uniform(slowest, fastest))
    drift = np.sqrt(dt) * generator.standard_normal(length)  # one radian per root second
    direction = generator.uniform(0, 2 * np.pi) + np.cumsum(drift)
    steps = speed * dt * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    return np.cumsum(steps, axis=0)


@dataclass(frozen=True, eq=False)
class _Scenes:
    """Pictures that clips look at: every column's average, at every pixel."""

    textures: Float32[np.ndarray, "M P P"]
    leaves: Float32[np.ndarray, "M P P"]

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Self:
        textures = [_texture(generator) for _ in range(_N_SCENES)]
        leaves = [_dead_leaves(generator) for _ in range(_N_SCENES)]
        return cls(_averaged(textures), _averaged(leaves))

    def look(
        self, at: Float[np.ndarray, "T C 2"], *, leaves: bool, generator: np.random.Generator
    ) -> Clip:
        """Luminance at places of a random picture [column], interpolated between pixels."""
        pictures = self.leaves if leaves else self.textures
        picture = pictures[generator.integers(len(pictures))]
        pixel = np.moveaxis((at + generator.uniform(0, _SCENE, 2)) * _PIXELS, -1, 0)
        return scipy.ndimage.map_coordinates(picture, pixel, order=1, mode="grid-wrap")


def _texture(generator: np.random.Generator) -> Float[np.ndarray, "P P"]:
    size = _PIXELS * _SCENE
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    exponent = generator.uniform(0.8, 1.4)
    spectrum = np.fft.rfft2(generator.standard_normal((size, size))) / frequency**exponent
    texture = np.fft.irfft2(spectrum, s=(size, size))
    return np.clip(0.5 + 0.3 * texture / texture.std(), 0, 1)


def _dead_leaves(generator: np.random.Generator) -> Float[np.ndarray, "P P"]:
    """Discs of radius density ~ r**-3 and uniform luminance, later ones in front."""
    size = _PIXELS * _SCENE
    picture = np.full((size, size), np.nan)
    low, high = 0.7 * _PIXELS, 16.0 * _PIXELS
    share = generator.random(_N_LEAVES)
    radii = (low**-2 + share * (high**-2 - low**-2)) ** -0.5
    for radius in np.sort(radii)[::-1]:  # large ones behind: every size stays in view
        row, column = generator.uniform(0, size, 2)
        rows = np.arange(int(row - radius), int(row + radius) + 1)
        columns = np.arange(int(column - radius), int(column + radius) + 1)
        inside = (rows[:, None] - row) ** 2 + (columns - column) ** 2 < radius**2
        where = np.ix_(rows % size, columns % size)
        picture[where] = np.where(inside, generator.random(), picture[where])
    return np.where(np.isnan(picture), 0.5, picture)


def _averaged(pictures: list[Float[np.ndarray, "P P"]]) -> Float32[np.ndarray, "M P P"]:
    blurred = [scipy.ndimage.uniform_filter(each, _PIXELS, mode="wrap") for each in pictures]
    return np.stack(blurred).astype(np.float32)
