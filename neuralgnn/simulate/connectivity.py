"""Connection weights W of a neural assembly. Axes: N neurons; W[i, j] acts from j on i.

Random matrices are drawn row by row into float32, so N**2 float64 draws are never held; the
sequence is that of one draw of N**2 numbers. Generators are numpy's legacy ``RandomState(seed)``
for weights and torch's CPU generator for the mask: with seed 42 they give the matrices published
with Allier et al. 2026 (arXiv:2602.13325) bit for bit.
"""

__all__ = ["cauchy_exponent", "draw_weights", "filling_mask"]

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32

from neuralgnn.config.simulation import Connectivity
from neuralgnn.data.importing import choose_key, open_array

_ROWS = 64  # rows drawn at a time

_log = logging.getLogger(__name__)

Draw = Callable[[np.random.RandomState, int], Float[np.ndarray, " n"]]


def draw_weights(
    connectivity: Connectivity, *, n_neurons: int, seed: int
) -> Float32[np.ndarray, "N N"]:
    """Draws or reads connection weights; the diagonal is zero.

    Dale's law, then the filling factor are applied to what was drawn or read.

    Args:
        connectivity: Family of matrices and its parameters.
        n_neurons: Number of neurons ``N``.
        seed: Seed of the weights' and of the mask's generator.

    Raises:
        FileNotFoundError: If there is no connectivity file.
        ValueError: If the file cannot be read, or has another size, several arrays or numbers
            that are not finite.
    """
    match connectivity.kind:
        case "cauchy":
            weight = _cauchy(
                n_neurons, seed=seed, clip=connectivity.clip, exponent=connectivity.exponent
            )
        case "gaussian" | "chaotic":  # spectral radius of N(0, scale^2 / N): scale (Girko)
            scale = connectivity.scale / n_neurons**0.5
            weight = _rows(n_neurons, seed, lambda random, n: random.standard_normal(n) * scale)
        case "uniform":
            low, high = connectivity.low, connectivity.high
            weight = _rows(n_neurons, seed, lambda random, n: random.uniform(low, high, n))
        case "low_rank":
            weight = _low_rank(n_neurons, seed=seed, rank=connectivity.rank)
        case "ring":
            weight = _ring(n_neurons)
        case "file":
            weight = read_weights(connectivity.path, n_neurons=n_neurons, key=connectivity.key)
    np.fill_diagonal(weight, 0)
    if connectivity.excitatory_fraction is not None:
        n_excitatory = int(n_neurons * connectivity.excitatory_fraction)
        np.abs(weight, out=weight)
        weight[:, n_excitatory:] *= -1
    if connectivity.filling < 1:
        for rows, keep in _mask_rows(n_neurons, filling=connectivity.filling, seed=seed):
            weight[rows][~keep] = 0
    return weight


def filling_mask(n_neurons: int, *, filling: float, seed: int) -> Bool[np.ndarray, "N N"]:
    """Which connections are kept: each independently with probability ``filling``."""
    return np.concatenate([k for _, k in _mask_rows(n_neurons, filling=filling, seed=seed)])


def cauchy_exponent(n_neurons: int) -> float:
    """Published exponent e of N that Cauchy draws are divided by, N**e."""
    below = {2000: 0.70, 4000: 0.675, 8000: 0.67, 8001: 0.66}
    return next((e for bound, e in below.items() if n_neurons < bound), 0.5)


def read_weights(
    path: str | Path, *, n_neurons: int, key: str | None = None
) -> Float32[np.ndarray, "N N"]:
    """Reads an ``(N, N)`` matrix, receivers in rows, from .npy, .npz, .csv, .zarr or .pt.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it cannot be read, or has another size, several arrays or numbers that
            are not finite.
    """
    path = Path(path)
    found = _open_torch(path, key=key) if path.suffix == ".pt" else open_array(path, key=key)
    if tuple(found.shape) != (n_neurons, n_neurons):
        raise ValueError(
            f"{path} has an array of shape {tuple(found.shape)}, expected ({n_neurons}, "
            f"{n_neurons}) from n_neurons = {n_neurons}"
        )
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{path} has dtype {found.dtype}, expected real numbers")
    weight = np.array(found[:], dtype=np.float32, order="C")
    if not np.isfinite(weight).all():
        receiver, sender = np.argwhere(~np.isfinite(weight))[0]
        raise ValueError(
            f"{path} has {weight[receiver, sender]} from neuron {sender} to {receiver}; weights "
            "must be finite (in float32)"
        )
    if n_self := np.count_nonzero(weight.diagonal()):
        _log.warning("%s: %d connections of neurons to themselves are set to zero", path, n_self)
    return weight


def _open_torch(path: Path, *, key: str | None) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; is the path right?")
    try:  # weights_only: a pickle would run code of the file's author
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip and runtime errors
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{path} cannot be read as tensors: {reason}") from error
    if isinstance(contents, dict):
        tensors = {str(k): v for k, v in contents.items() if isinstance(v, torch.Tensor)}
        contents = tensors[choose_key(tensors, key=key, source=path)]
    if not isinstance(contents, torch.Tensor):
        raise ValueError(f"{path} holds a {type(contents).__name__}, expected a tensor")
    return contents.detach().to_dense().float().numpy()


def _cauchy(
    n_neurons: int, *, seed: int, clip: float, exponent: float | None
) -> Float32[np.ndarray, "N N"]:
    scale = n_neurons ** (cauchy_exponent(n_neurons) if exponent is None else exponent)

    def draw(random: np.random.RandomState, n: int) -> Float[np.ndarray, " n"]:
        values = random.standard_cauchy(n)
        values[np.abs(values) > clip] = 0
        return values / scale

    return _rows(n_neurons, seed, draw)


def _rows(n_neurons: int, seed: int, draw: Draw) -> Float32[np.ndarray, "N N"]:
    random = np.random.RandomState(seed)
    weight = np.empty((n_neurons, n_neurons), dtype=np.float32)
    for start in range(0, n_neurons, _ROWS):
        rows = weight[start : start + _ROWS]
        rows[:] = draw(random, rows.size).reshape(rows.shape)
    return weight


def _low_rank(n_neurons: int, *, seed: int, rank: int) -> Float32[np.ndarray, "N N"]:
    """U V / sqrt(rank N); factors of unit variance give entries the usual variance 1 / N."""
    random = np.random.RandomState(seed)
    u = random.uniform(-(3**0.5), 3**0.5, (n_neurons, rank))
    v = random.uniform(-(3**0.5), 3**0.5, (rank, n_neurons))
    return (u @ v / (rank * n_neurons) ** 0.5).astype(np.float32)


def _ring(n_neurons: int) -> Float32[np.ndarray, "N N"]:
    theta = 2 * np.pi * np.arange(n_neurons) / n_neurons
    weight = (np.cos(theta[:, None] - theta) + 0.5) / n_neurons
    return weight.astype(np.float32)


def _mask_rows(n_neurons: int, *, filling: float, seed: int):
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, n_neurons, _ROWS):
        n_rows = min(_ROWS, n_neurons - start)
        keep = torch.rand(n_rows, n_neurons, generator=generator) <= filling
        yield slice(start, start + n_rows), keep.numpy()
