"""Videos in folders, seen through the eye's lattice. Axes: S frames, H rows, W columns of pixels.

The eye averages squares of 13 x 13 pixels around the places of its columns, which lie on a sheared
grid: column (u, v) at 13 (u + v/2) pixels below the centre and 13 v to its right. An image smaller
than the eye is enlarged, a larger one is seen in its centre.

Source: protocol of Lappalainen et al. 2024 (Sintel) and of Allier, Lappalainen & Saalfeld 2026
(DAVIS: greyscale, turned by a quarter, whole videos, one frame per time step; split by video).
"""

__all__ = ["box_eye", "davis_clips", "sintel_clips"]

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError

from neuralgnn.config.fly_stimulus import DavisStimulus, SintelStimulus
from neuralgnn.simulate.fly.lattice import columns, mirrored, rotated
from neuralgnn.simulate.fly.stimulus.show import Clip

_BOX = 13  # pixels per column
_GREY = (0.299, 0.587, 0.114)

_log = logging.getLogger(__name__)


def davis_clips(config: DavisStimulus, *, extent: int, test: bool) -> Iterator[Clip]:
    """Every view of every video of the training or the test part.

    Raises:
        FileNotFoundError: If there is no such folder, or no video long enough in it.
        ValueError: If an image cannot be read, or one part would have no video.
    """
    videos = _videos(Path(config.path), "*.jpg", min_frames=config.min_frames)
    for frames in _part(videos, config.test_fraction, config.path, test=test):
        clip = _seen(frames, extent=extent, prepare=lambda image: np.rot90(image, k=-1))
        yield from _views(clip, extent=extent, flips=config.flips, rotations=config.rotations)


def sintel_clips(config: SintelStimulus, *, extent: int, test: bool) -> Iterator[Clip]:
    """Every view of every clip of the training or the test part.

    Raises:
        FileNotFoundError: If there is no such folder, or no scene long enough in it.
        ValueError: If an image cannot be read, or one part would have no scene.
    """
    scenes = _videos(Path(config.path), "*.png", min_frames=config.clip_frames)
    for frames in _part(scenes, config.test_fraction, config.path, test=test):
        n_whole = len(frames) // config.clip_frames * config.clip_frames
        for split in range(config.vertical_splits):
            seen = _seen(frames[:n_whole], extent=extent, prepare=_window(config, split))
            for clip in np.split(seen, n_whole // config.clip_frames):
                yield from _views(
                    clip, extent=extent, flips=config.flips, rotations=config.rotations
                )


def box_eye(image: Float[np.ndarray, "H W"], *, extent: int) -> Float[np.ndarray, " C"]:
    """Mean luminance of the square around each column; beyond the image's rim it is dark."""
    least = 2 * extent * _BOX + 1
    if min(image.shape) < least:
        small = Image.fromarray(image.astype(np.float32), mode="F")
        image = np.asarray(small.resize((least, least), Image.Resampling.BILINEAR), np.float64)
    half = _BOX // 2
    padded = np.pad(image, half)
    total = np.pad(padded.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    u, v = columns(extent).T
    row = image.shape[0] // 2 + np.trunc(_BOX * (u + v / 2)).astype(np.int64)
    column = image.shape[1] // 2 + _BOX * v
    below, right = row + _BOX, column + _BOX
    box = total[below, right] - total[row, right] - total[below, column] + total[row, column]
    return box / _BOX**2


def _window(
    config: SintelStimulus, split: int
) -> Callable[[Float[np.ndarray, "H W"]], Float[np.ndarray, "H W"]]:
    """The part of an image that one of several places across it sees."""

    def cut(image: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
        height, width = image.shape
        rim = round(height * (1 - config.crop) / 2)
        size = height - 2 * rim
        left = round((width - size) * (split + 0.5) / config.vertical_splits)
        left = min(max(0, left), max(0, width - size))
        return image[rim : height - rim, left : left + size]

    return cut


def _videos(root: Path, pattern: str, *, min_frames: int) -> list[list[Path]]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; expected one folder of {pattern} per video")
    found = {folder: sorted(folder.glob(pattern)) for folder in sorted(root.iterdir())}
    videos = [frames for frames in found.values() if len(frames) >= min_frames]
    if not videos:
        raise FileNotFoundError(
            f"{root} has no folder with {min_frames} or more {pattern} (it has "
            f"{sum(map(bool, found.values()))} with fewer); give the folder that holds the "
            "videos' folders, or choose stimulus.kind 'naturalistic'"
        )
    _log.info("%s: %d videos", root, len(videos))
    return videos


def _part(
    videos: Sequence[list[Path]], test_fraction: float, root: str, *, test: bool
) -> Sequence[list[Path]]:
    """Videos by name: the last ones are for the test."""
    n_train = int((1 - test_fraction) * len(videos))
    if not 0 < n_train < len(videos):
        raise ValueError(
            f"{root} has {len(videos)} videos, of which test_fraction = {test_fraction:g} leaves "
            f"{n_train} for training; both parts need one: add videos or change it"
        )
    return videos[n_train:] if test else videos[:n_train]


def _seen(
    frames: Sequence[Path],
    *,
    extent: int,
    prepare: Callable[[Float[np.ndarray, "H W"]], Float[np.ndarray, "H W"]],
) -> Clip:
    return np.stack([box_eye(prepare(_grey(path)), extent=extent) for path in frames])


def _grey(path: Path) -> Float[np.ndarray, "H W"]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64) @ _GREY / 255
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); is it whole?") from error


def _views(
    clip: Clip, *, extent: int, flips: Sequence[bool], rotations: Sequence[int]
) -> Iterator[Clip]:
    for flip in flips:
        seen = clip[:, mirrored(extent)] if flip else clip
        for sixths in rotations:
            yield seen[:, rotated(extent, sixths)]
