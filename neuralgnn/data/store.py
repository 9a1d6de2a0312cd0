"""Datasets and side files on disk: written whole or not at all, refused when not whole.

A store is a zarr 3 folder that xarray reads. Its root attributes carry ``format``, ``complete``
and ``seal``: for each array the number of chunk files and their bytes. zarr takes a missing chunk
for fill values; the seal turns it into an error when the store is opened.
"""

__all__ = [
    "FORMAT_VERSION",
    "atomic_path",
    "check_replaceable",
    "open_dataset",
    "open_group",
    "put_in_place",
    "read_json",
    "save_dataset",
    "seal",
    "write_dataset",
    "write_json",
]

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from neuralgnn.data.provenance import plain, provenance
from neuralgnn.data.scratch import scratch_folder

FORMAT_VERSION = 1
_DATASET = "neuralgnn-dataset"


def save_dataset(
    dataset: xr.Dataset, path: str | Path, *, config: Mapping[str, Any] | None = None
) -> None:
    """Writes a dataset as a zarr store that appears whole or not at all.

    Args:
        dataset: What to store; coordinates and attributes are kept.
        path: Folder of the store; an empty folder or an older store there is replaced.
        config: Settings that made the numbers, for the store's provenance.

    Raises:
        FileExistsError: If ``path`` is a folder with anything but a store in it.
    """
    with atomic_path(path) as folder:
        write_dataset(dataset, folder)
        root = zarr.open_group(folder, mode="r+")
        root.attrs.update(
            {
                "format": _DATASET,
                "format_version": FORMAT_VERSION,
                "provenance": provenance(config, stamp=False),
                "seal": seal(folder),
                "complete": True,
            }
        )


def open_dataset(path: str | Path) -> xr.Dataset:
    """Opens a dataset written by :func:`save_dataset`; values are read when used.

    Raises:
        FileNotFoundError: If there is no store.
        ValueError: If it is no dataset of this package, incomplete, or lacks chunk files.
    """
    path = Path(path)
    open_group(path, kind=_DATASET)
    return xr.open_zarr(path, consolidated=False, chunks=None)


def write_dataset(dataset: xr.Dataset, folder: Path, *, group: str | None = None) -> None:
    """Writes variables with checksums and without gaps; says nothing of completeness."""
    attrs = plain(dict(dataset.attrs))
    dataset = dataset.assign_attrs(attrs).drop_encoding()
    for name, variable in dataset.variables.items():
        if variable.dtype.kind == "U":  # fixed-length text has no zarr 3 specification yet
            dataset = dataset.assign({name: variable.astype(object)})
        dataset[name].attrs = plain(dict(variable.attrs))
    checked = {"compressors": (ZstdCodec(level=1, checksum=True),)}
    dataset.to_zarr(
        folder,
        group=group,
        mode="a" if group else "w-",
        zarr_format=3,
        consolidated=False,
        write_empty_chunks=True,
        encoding={name: checked for name in dataset.variables},
    )


def open_group(path: Path, *, kind: str, group: str = "") -> zarr.Group:
    """Opens a store after checking that it is of this kind and whole.

    Args:
        path: Folder of the store.
        kind: Its ``format`` attribute.
        group: Folder within the store, with a seal of its own.

    Raises:
        FileNotFoundError: If there is no store.
        ValueError: If it is of another kind, incomplete or lacks chunk files.
    """
    where = path / group
    if not path.exists():
        raise FileNotFoundError(f"{where} does not exist; is the path right, was it made yet?")
    if not (where / "zarr.json").is_file():
        raise ValueError(
            f"{where} is not a zarr 3 store (it has no zarr.json); expected a folder with format "
            f"{kind!r}. An interrupted write leaves none; other files are imported first"
        )
    try:
        opened = zarr.open_group(where, mode="r", zarr_format=3)
        attrs = dict(opened.attrs)
    except Exception as error:  # zarr has no common base class for damaged metadata
        raise ValueError(f"{where}/zarr.json cannot be read ({error}); is it damaged?") from error
    if attrs.get("format") != kind:
        raise ValueError(
            f"{where} has format {attrs.get('format')!r}, expected {kind!r}; was it written by "
            "another program, or is it another step's output?"
        )
    if attrs.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{where} has format_version {attrs.get('format_version')!r}, this version of "
            f"neuralgnn reads {FORMAT_VERSION}; write it again"
        )
    if attrs.get("complete") is not True:
        raise ValueError(f"{where} is not marked complete: its writing was interrupted")
    _check_seal(where, attrs.get("seal"))
    return opened


def seal(folder: Path) -> dict[str, list[int]]:
    """Number and bytes of the chunk files of each array directly in a group."""
    counts = {}
    for array in sorted(folder.iterdir()):
        if (array / "zarr.json").is_file() and _node_type(array) == "array":
            sizes = [file.stat().st_size for file in array.rglob("*") if _is_chunk(file)]
            counts[array.name] = [len(sizes), sum(sizes)]
    return counts


def _check_seal(folder: Path, expected: Any) -> None:
    found = seal(folder)
    if not isinstance(expected, dict) or not expected:
        raise ValueError(f"{folder} has no list of its arrays; its zarr.json was changed")
    for name, (n_files, n_bytes) in expected.items():
        files, size = found.get(name, (0, 0))
        if (files, size) != (n_files, n_bytes):
            raise ValueError(
                f"{folder} is truncated: array {name!r} has {files} of {n_files} chunk files and "
                f"{size} of {n_bytes} bytes; was it copied only in part?"
            )


def _node_type(folder: Path) -> Any:
    try:
        return json.loads((folder / "zarr.json").read_text()).get("node_type")
    except (ValueError, AttributeError):
        return None


def _is_chunk(file: Path) -> bool:
    return file.is_file() and file.name != "zarr.json" and not file.name.startswith(".")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a new path beside ``path`` that takes its place when the block ends well.

    The block may make a file or a folder there; on an error it is removed and whatever was at
    ``path`` stays. What a killed process left of writing ``path`` is removed first.

    Raises:
        FileExistsError: If ``path`` is a folder with anything but a store in it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path) as scratch:
        yield scratch / path.name
        put_in_place(scratch / path.name, path)


def put_in_place(new: Path, path: Path) -> None:
    """Renames a finished file or folder over what is at ``path``, if that may be replaced."""
    if not path.is_dir():
        new.replace(path)
        return
    check_replaceable(path)
    with scratch_folder(path) as old:
        path.replace(old / path.name)  # a folder can only take the place of an empty one
        new.replace(path)


def check_replaceable(path: Path) -> None:
    """Refuses to overwrite a folder that holds anything but a store.

    Raises:
        FileExistsError: If it does.
    """
    if not path.is_dir():
        return
    for entry in path.iterdir():
        is_node = entry.name == "zarr.json" or (entry / "zarr.json").is_file()
        if not is_node and not entry.name.startswith("."):
            raise FileExistsError(
                f"{path} holds {entry.name!r}, which is no part of a store, and is not replaced; "
                "give a path of its own"
            )


def write_json(path: str | Path, obj: Any) -> None:
    """Writes a JSON file that appears whole; numbers that are not finite become null."""
    text = json.dumps(plain(obj), indent=2, allow_nan=False)
    with atomic_path(path) as scratch:
        scratch.write_text(text + "\n")


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; was the step that writes it run?")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); is it truncated?") from error
