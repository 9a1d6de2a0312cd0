"""Movies that drive neurons. Axes: M movie frames, R rows, C columns.

A synthetic movie is Gaussian noise smoothed over pixels and over time. Its values are then
replaced, in the same order, by those of a beta distribution between the smallest and the largest
value, whose two parameters give the mean and the standard deviation asked for. How long shapes
stay follows from the mean difference between consecutive frames.
"""

__all__ = ["make_movie", "read_movie", "synthetic_movie"]

from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageSequence
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.optimize import brentq
from scipy.stats import beta

from neuralgnn.config.simulation import MovieInput, SyntheticMovie
from neuralgnn.data.importing import open_array

_TIFF = (".tif", ".tiff")


def make_movie(config: MovieInput, *, seed: int) -> Float32[np.ndarray, "M R C"]:
    """Draws or reads the movie of a configuration.

    Args:
        config: The external input.
        seed: Seed of a synthetic movie.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, has another shape or values that are not finite, or no
            synthetic movie has the statistics asked for.
    """
    source = config.source
    if source.kind == "synthetic":
        return synthetic_movie(source, shape=config.shape, seed=seed)
    movie = read_movie(source.path, shape=config.shape, key=source.key)
    return np.ascontiguousarray(np.rot90(movie, source.quarter_turns, axes=(1, 2)))


def synthetic_movie(
    config: SyntheticMovie, *, shape: tuple[int, int], seed: int
) -> Float32[np.ndarray, "M R C"]:
    """Draws a movie of given statistics.

    Raises:
        ValueError: If no smoothing in time gives the difference between consecutive frames.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[2])
    noise = random.standard_normal((config.n_frames, *shape))
    smooth = gaussian_filter(noise, (0, config.spatial_scale, config.spatial_scale), mode="wrap")
    values = _beta_values(config, smooth.size)

    def movie(scale: float) -> Float[np.ndarray, "M R C"]:
        filtered = gaussian_filter1d(smooth, scale, axis=0, mode="wrap")
        frames = np.empty(filtered.size)
        frames[np.argsort(filtered, axis=None, kind="stable")] = values
        return frames.reshape(filtered.shape)

    def excess(scale: float) -> float:
        return float(np.abs(np.diff(movie(scale), axis=0)).mean()) - config.frame_difference

    shortest, longest = 0.3, config.n_frames / 4
    if excess(shortest) < 0 or excess(longest) > 0:
        reach = (config.frame_difference + excess(end) for end in (longest, shortest))
        low, high = (f"{value:.4g}" for value in reach)
        raise ValueError(
            f"frame_difference = {config.frame_difference:g} cannot be had with {config.n_frames} "
            f"frames of std = {config.std:g}: between {low} and {high} is possible"
        )
    scale = cast(float, brentq(excess, shortest, longest, xtol=1e-3))
    return movie(scale).astype(np.float32)


def read_movie(
    path: str | Path, *, shape: tuple[int, int], key: str | None = None
) -> Float32[np.ndarray, "M R C"]:
    """Reads a movie from .tif, .npy, .npz or .zarr.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it cannot be read, its frames have another shape, there are fewer than two,
            or a value is not finite.
    """
    path = Path(path)
    found = _read_tiff(path) if path.suffix.lower() in _TIFF else open_array(path, key=key)
    if len(found.shape) != 3 or tuple(found.shape[1:]) != shape or found.shape[0] < 2:
        raise ValueError(
            f"{path} has an array of shape {tuple(found.shape)}, expected (frames, {shape[0]}, "
            f"{shape[1]}) with at least two frames from external_input.shape"
        )
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{path} has dtype {found.dtype}, expected real numbers")
    movie = np.array(found[:], dtype=np.float32)
    bad = ~np.isfinite(movie)
    if bad.any():
        frame, row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{path} has {int(bad.any(axis=(1, 2)).sum())} of {len(movie)} frames with values "
            f"that are not finite, the first being {movie[frame, row, column]} at frame {frame}, "
            f"row {row}, column {column}"
        )
    return movie


def _read_tiff(path: Path) -> Float32[np.ndarray, "M R C"]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; is the path right?")
    try:
        with Image.open(path) as image:
            pages = [np.asarray(page, dtype=np.float32) for page in ImageSequence.Iterator(image)]
    except Exception as error:  # of many kinds on damaged files
        raise ValueError(f"{path} cannot be read as TIFF: {error}") from error
    shapes = sorted({page.shape for page in pages})
    if len(shapes) > 1:
        raise ValueError(f"{path} has pages of different shapes, {shapes}; expected one")
    return np.stack(pages)


def _beta_values(config: SyntheticMovie, n: int) -> Float[np.ndarray, " n"]:
    """Quantiles of the beta distribution with the mean and standard deviation, ends included."""
    span = config.high - config.low
    mean, variance = (config.mean - config.low) / span, (config.std / span) ** 2
    total = mean * (1 - mean) / variance - 1
    levels = np.linspace(0, 1, n)
    return config.low + span * beta.ppf(levels, mean * total, (1 - mean) * total)
