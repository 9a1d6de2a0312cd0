"""Datasets and side files on disk: written whole or not at all, refused when not whole.

A store is a zarr 3 folder that xarray reads. Its root attributes carry ``format``, ``complete``
and ``seal``: for each array the number of chunk files, their bytes, and digests of its metadata
and, but for recordings, of its content; ``attributes_sha256`` covers the attributes themselves.
The entry ``run`` of its provenance says how the store was made (command, time, memory) and has a
digest of its own: everything else follows from settings and code, and is the same in every run.
zarr takes a missing chunk for fill values and a changed digit of its metadata for the truth; the
seal turns both into errors when the store is opened.
"""

__all__ = [
    "FORMAT_VERSION",
    "atomic_path",
    "check_replaceable",
    "named_errors",
    "open_dataset",
    "open_group",
    "put_in_place",
    "read_json",
    "save_dataset",
    "seal_group",
    "stored_content",
    "write_dataset",
    "write_json",
]

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from neuralgnn.data.cost import run_record
from neuralgnn.data.provenance import digest, plain, provenance
from neuralgnn.data.scratch import scratch_folder

FORMAT_VERSION = 2
_DATASET = "neuralgnn-dataset"
_DIGEST = "attributes_sha256"


def save_dataset(
    dataset: xr.Dataset, path: str | Path, *, config: Mapping[str, Any] | None = None, **more: Any
) -> None:
    """Writes a dataset as a zarr store that appears whole or not at all.

    Args:
        dataset: What to store; coordinates and attributes are kept.
        path: Folder of the store; an empty folder or an older store there is replaced.
        config: Settings that made the numbers, for the store's provenance.
        **more: Further entries of the provenance.

    Raises:
        FileExistsError: If ``path`` is a folder with anything but a store in it.
    """
    with atomic_path(path) as folder:
        write_dataset(dataset, folder)
        about = provenance(config, stamp=False, **more)
        seal_group(folder, {"format": _DATASET, "provenance": about})


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
    _check_seal(where, attrs)
    return opened


def seal_group(
    folder: Path,
    attrs: Mapping[str, Any],
    *,
    content: bool = True,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Marks a group complete: what is in it now is what will be accepted when it is opened.

    Args:
        folder: Group whose arrays are all written.
        attrs: Further attributes, ``format`` among them.
        run: How the group was made, for the provenance among its attributes; None: the step that
            is going on.
        content: Whether the chunks' bytes belong to the seal, so that all of them are read when
            the group is opened; not for a recording, whose chunks are checked as they are read.
    """
    group = zarr.open_group(folder, mode="r+")
    attrs = {**group.attrs, **plain(attrs)}
    seal = _seal(folder, content=content)
    attrs |= {"format_version": FORMAT_VERSION, "seal": seal, "complete": True}
    attrs.pop(_DIGEST, None)
    attrs[_DIGEST] = digest(_lasting(attrs))
    if isinstance(about := attrs.get("provenance"), dict):
        made = plain(run or run_record())
        attrs["provenance"] = {**about, "run": {**made, "sha256": digest(made)}}
    group.attrs.update(attrs)


def stored_content(path: Path) -> dict[str, bytes]:
    """Files of a store without the entry that says how it was made: equal ones are equal results.

    Args:
        path: Folder of the store.

    Raises:
        FileNotFoundError: If there is none.
    """
    files = {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }
    metadata = read_json(path / "zarr.json")
    metadata["attributes"] = _lasting(metadata["attributes"])
    return files | {"zarr.json": json.dumps(metadata).encode()}


def _seal(folder: Path, *, content: bool) -> dict[str, dict[str, Any]]:
    """Chunk files, their bytes and digests of each array directly in a group."""
    found: dict[str, dict[str, Any]] = {}
    for array in sorted(folder.iterdir()):
        metadata = array / "zarr.json"
        if not metadata.is_file() or _node_type(array) == "group":
            continue
        files = sorted(file for file in array.rglob("*") if _is_chunk(file))
        found[array.name] = {
            "files": len(files),
            "bytes": sum(file.stat().st_size for file in files),
            "metadata_sha256": hashlib.sha256(metadata.read_bytes()).hexdigest(),
        }
        if content:
            total = hashlib.sha256()
            for file in files:
                total.update(file.read_bytes())
            found[array.name]["content_sha256"] = total.hexdigest()
    return found


def _check_seal(folder: Path, attrs: Mapping[str, Any]) -> None:
    attrs = dict(attrs)
    if attrs.pop(_DIGEST, None) != digest(_lasting(attrs)) or not _run_is_whole(attrs):
        raise ValueError(_changed(folder / "zarr.json"))
    content = any("content_sha256" in sealed for sealed in attrs["seal"].values())
    found = _seal(folder, content=content)
    for name, sealed in attrs["seal"].items():
        now = found.get(name, {"files": 0, "bytes": 0})
        if (now["files"], now["bytes"]) != (sealed["files"], sealed["bytes"]):
            raise ValueError(
                f"{folder} is truncated: array {name!r} has {now['files']} of {sealed['files']} "
                f"chunk files and {now['bytes']} of {sealed['bytes']} bytes; was it copied only "
                "in part?"
            )
        if now != sealed:
            same = now.get("metadata_sha256") == sealed["metadata_sha256"]
            raise ValueError(_changed(folder / name / ("" if same else "zarr.json")))


def _lasting(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that follow from settings and code: all but the run of the provenance."""
    about = attrs.get("provenance")
    if not isinstance(about, Mapping):
        return dict(attrs)
    return {**attrs, "provenance": {key: about[key] for key in about if key != "run"}}


def _run_is_whole(attrs: Mapping[str, Any]) -> bool:
    """Whether what is said of the run is what was sealed; older stores say nothing of it."""
    about = attrs.get("provenance")
    run = about.get("run") if isinstance(about, Mapping) else None
    if run is None:
        return True
    said = dict(run) if isinstance(run, Mapping) else {}
    return said.pop("sha256", None) == digest(said)


def _changed(path: Path) -> str:
    return (
        f"{path} was changed after the store was written and is not read. Take a copy that is "
        "whole, or write the store again"
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
    with named_errors(path), scratch_folder(path) as scratch:
        yield scratch / path.name
        put_in_place(scratch / path.name, path)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Makes errors of a disk say which file could not be written; a full one names none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


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
