"""Recordings from other files: .npy, .npz, .csv and zarr arrays. Axes: T frames, N neurons."""

__all__ = ["choose_key", "import_recording", "open_array"]

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from neuralgnn.data.provenance import provenance
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.writer import RecordingWriter


def import_recording(
    source: str | Path,
    path: str | Path,
    *,
    dt: float,
    dims: str = "time,neuron",
    key: str | None = None,
    time_unit: str = "s",
) -> None:
    """Turns an array of activity in a file into a recording; .npy and zarr are streamed.

    Args:
        source: ``.npy``, ``.npz``, ``.csv`` (numbers only, comma separated) or ``.zarr``.
        path: Folder of the new store.
        dt: Time between frames [time unit].
        dims: What the array's axes are: ``time,neuron`` or ``neuron,time``.
        key: Name of the array in a .npz or a zarr group; None: the only one.
        time_unit: Unit of ``dt``.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If it cannot be read, has no such array, wrong axes or values that are not
            finite.
        OSError: If the disk has too little room, or another process writes the store.
    """
    orders = {"time,neuron": False, "neuron,time": True}
    if dims not in orders:
        raise ValueError(f"dims = {dims!r}, expected one of {', '.join(map(repr, orders))}")
    source = Path(source)
    values = open_array(source, key=key)
    if len(values.shape) != 2 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"{source} has an array of shape {tuple(values.shape)} and dtype {values.dtype}; "
            f"expected numbers with two axes, {dims}"
        )
    n_frames, n_neurons = values.shape[::-1] if orders[dims] else values.shape
    about = provenance(stamp=False, source=source.name)
    with only_writer(Path(path)):
        writer = RecordingWriter(
            path,
            n_frames=n_frames,
            n_neurons=n_neurons,
            dt=dt,
            attrs={"provenance": about},
            time_unit=time_unit,
        )
        for start in range(0, n_frames, writer.shard_frames):
            rows = slice(start, start + writer.shard_frames)
            found = values[:, rows] if orders[dims] else values[rows]
            writer.append(np.asarray(found).T if orders[dims] else np.asarray(found))
        writer.close()


def open_array(source: Path, *, key: str | None = None) -> np.ndarray | zarr.Array:
    """Opens an array in a file; .npy and zarr are not read before they are used.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or ``key`` does not name one array in it.
    """
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist; is the path right?")
    if source.suffix not in _READERS:
        raise ValueError(
            f"{source} has suffix {source.suffix!r}; readable are {', '.join(_READERS)}"
        )
    try:
        found = _READERS[source.suffix](source)
    except Exception as error:  # numpy, zarr and zipfile raise different things
        raise ValueError(f"{source} cannot be read as {source.suffix}: {error}") from error
    return found[choose_key(found, key=key, source=source)] if isinstance(found, dict) else found


def choose_key(names: Iterable[str], *, key: str | None, source: Path) -> str:
    """The array that is meant: the named one, or the only one.

    Raises:
        ValueError: If the name is not there, or there are several and none is named.
    """
    names = sorted(names)
    if key is None and len(names) == 1:
        return names[0]
    if key in names:
        return str(key)
    wanted = "no key was given" if key is None else f"key {key!r} is not among them"
    raise ValueError(f"{source} has {len(names)} arrays ({', '.join(names)}), and {wanted}")


def _read_npy(source: Path) -> np.ndarray:
    return np.lib.format.open_memmap(source, mode="r")  # refuses pickled objects


def _read_npz(source: Path) -> dict[str, np.ndarray]:
    with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _read_csv(source: Path) -> np.ndarray:
    return np.loadtxt(source, delimiter=",", ndmin=2)


def _open_zarr(source: Path) -> dict[str, zarr.Array] | zarr.Array:
    node = zarr.open(source, mode="r")
    return node if isinstance(node, zarr.Array) else dict(node.arrays())


_READERS: dict[str, Callable[[Path], np.ndarray | zarr.Array | dict[str, Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".zarr": _open_zarr,
}
