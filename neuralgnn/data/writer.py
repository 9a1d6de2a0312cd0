"""Writes recordings shard by shard, in bounded memory, resumable. Axes: T frames, N neurons.

Shards are written to ``<path>.partial`` and that folder is renamed when all is there, so a store
at ``path`` is whole. After each shard ``<path>.partial.npz`` says how far the writing came and
keeps the caller's state; a writer that finds one with its own key goes on from there.
"""

__all__ = ["RecordingWriter", "recording_from_array", "shard_length"]

import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Num
from zarr.codecs import Crc32cCodec

from neuralgnn.data.cost import run_record
from neuralgnn.data.graph import Graph
from neuralgnn.data.provenance import digest, provenance
from neuralgnn.data.recording import (
    GROUPS,
    RECORDING,
    TRUTH,
    group_digest,
    sealed_digest,
    shard_digest,
)
from neuralgnn.data.stimulus import Stimulus
from neuralgnn.data.store import (
    check_replaceable,
    named_errors,
    put_in_place,
    seal_group,
    write_dataset,
)

_CHUNK_BYTES = 2**20  # what reading a single frame costs
_CHUNKS_PER_SHARD = 8

_log = logging.getLogger(__name__)


def shard_length(n_neurons: int, n_frames: int) -> int:
    """Frames per file: some 8 MB, so that 100,000 frames of 1000 neurons are 48 files."""
    chunk = min(_CHUNK_BYTES // (4 * n_neurons), -(-n_frames // _CHUNKS_PER_SHARD))
    return _CHUNKS_PER_SHARD * max(1, chunk)


class RecordingWriter:
    """Receives frames shard by shard and leaves a recording at ``path`` when closed.

    Args:
        path: Folder of the store; an empty folder or an older store is replaced on close.
        n_frames: Number of frames that will be written.
        n_neurons: Number of neurons ``N``.
        dt: Time between frames [time unit].
        has_drift: Whether the noise-free rate of change is written too.
        attrs: Further attributes of the store (seed, provenance).
        time_unit: Unit of ``dt``.
        key: Digest of everything that determines the frames. A partial store with the same key
            is continued, any other is discarded; without a key every writer starts anew.
        shard_frames: Frames per file; None: :func:`shard_length`.
        beside_bytes: What graph, stimulus and truth take on the disk at most; None: what a dense
            matrix of weights takes.

    Attributes:
        resume_frame: Frames already on disk; the next :meth:`append` continues there.
        resume_state: What the last :meth:`append` before an interruption was given as state.

    Raises:
        FileExistsError: If ``path`` is a folder with anything but a store in it.
        ValueError: If a number is out of range.
        OSError: If the disk has too little room for the store.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        n_frames: int,
        n_neurons: int,
        dt: float,
        has_drift: bool = False,
        attrs: Mapping[str, Any] | None = None,
        time_unit: str = "time unit",
        key: str | None = None,
        shard_frames: int | None = None,
        beside_bytes: int | None = None,
    ) -> None:
        if n_frames < 1 or n_neurons < 1 or not 0 < dt < np.inf:
            raise ValueError(
                f"a recording of {n_frames} frames, {n_neurons} neurons and dt = {dt:g}: all "
                "three must be positive, and dt finite"
            )
        self.path = Path(path)
        self.n_frames, self.n_neurons, self.dt = n_frames, n_neurons, float(dt)
        self.names = ("activity", "drift") if has_drift else ("activity",)
        self.shard_frames = shard_frames or shard_length(n_neurons, n_frames)
        self._attrs = dict(attrs or {})
        self._time_unit = time_unit
        self._beside_bytes = 4 * n_neurons**2 if beside_bytes is None else beside_bytes
        shape = [n_frames, n_neurons, self.dt, self.names, self.shard_frames]
        self._key = digest([key, *shape]) if key else None
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._state_file = self.path.with_name(self.path.name + ".partial.npz")
        self._state_scratch = self._state_file.with_suffix(".tmp")
        self._began, self._earlier = time.monotonic(), 0.0
        self.resume_frame = 0
        self.resume_state: dict[str, np.ndarray] = {}
        self._digests: list[str] = []

        check_replaceable(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        resumed = self._load_state()
        self._check_room()
        self._group = self._reopen() if resumed else self._create()

    def append(
        self,
        activity: Num[np.ndarray, "T N"],
        drift: Num[np.ndarray, "T N"] | None = None,
        *,
        state: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Writes the next shard: ``shard_frames`` frames, fewer only at the recording's end.

        Args:
            activity: Activity x.
            drift: Noise-free rate of change, if the recording has it [activity/time unit].
            state: What the caller of a resumed writer needs to go on after this shard.

        Raises:
            ValueError: If the shape is not that of the next shard, or a value is not finite.
        """
        first = self.resume_frame
        shape = (min(self.shard_frames, self.n_frames - first), self.n_neurons)
        arrays = [activity] if drift is None else [activity, drift]
        if len(arrays) != len(self.names) or any(values.shape != shape for values in arrays):
            raise ValueError(
                f"the shard at frame {first} needs {' and '.join(self.names)} of shape {shape}; "
                f"found {[values.shape for values in arrays]}"
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            arrays = [np.ascontiguousarray(values, dtype="<f4") for values in arrays]
        for name, values in zip(self.names, arrays, strict=True):
            _check_finite(values, name=name, first=first)
        with named_errors(self.path):
            for name, values in zip(self.names, arrays, strict=True):
                self._array(name)[first : first + shape[0]] = values
            self._digests.append(shard_digest(arrays))
            self.resume_frame += shape[0]
            if self._key:
                self._save_state(state or {})

    def close(
        self,
        truth: xr.Dataset | None = None,
        *,
        graph: Graph | None = None,
        stimulus: Stimulus | None = None,
    ) -> None:
        """Adds time, groups and attributes, and puts the store in its place.

        Args:
            truth: What is known of the network; it gets a group of its own.
            graph: The edges that a model is given.
            stimulus: What drove the network.

        Raises:
            ValueError: If frames are missing, or graph or stimulus do not fit the activity.
        """
        if self.resume_frame != self.n_frames:
            raise ValueError(f"only {self.resume_frame} of {self.n_frames} frames were written")
        with named_errors(self.path):
            self._finish(truth, graph, stimulus)

    def _finish(
        self, truth: xr.Dataset | None, graph: Graph | None, stimulus: Stimulus | None
    ) -> None:
        self._array("time")[:] = np.arange(self.n_frames) * self.dt
        if truth is not None:
            self._write_group(truth, "truth", kind=TRUTH)
        groups = self._write_beside(graph, stimulus)
        seal_group(
            self._partial,
            self._attrs
            | {
                "dt": self.dt,
                "time_unit": self._time_unit,
                "n_frames": self.n_frames,
                "n_neurons": self.n_neurons,
                "content_sha256": sealed_digest(self._digests, dt=self.dt, groups=groups),
                "format": RECORDING,
            }
            | ({"groups": list(groups)} if groups else {}),
            content=False,
            run=run_record(began=self._began, earlier=self._earlier),
        )
        put_in_place(self._partial, self.path)
        self._forget_state()

    def _create(self) -> zarr.Group:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._forget_state()
        group = zarr.open_group(self._partial, mode="w-", zarr_format=3)
        shape, shard = (self.n_frames, self.n_neurons), (self.shard_frames, self.n_neurons)
        title = {"activity": "activity x", "drift": "noise-free rate of change dx/dt"}
        units = {"activity": "activity", "drift": f"activity/{self._time_unit}"}
        for name in self.names:
            _create_array(
                group,
                name,
                shape=shape,
                shard=shard,
                dims=("time", "neuron"),
                attrs={"long_name": title[name], "units": units[name]},
            )
        _create_array(
            group,
            "time",
            shape=shape[:1],
            shard=shape[:1],
            dims=("time",),
            attrs={"long_name": "time", "units": self._time_unit},
        )
        return group

    def _reopen(self) -> zarr.Group:
        for unfinished in self._partial.rglob("*.partial"):  # zarr's name for a file it writes
            unfinished.unlink()
        return zarr.open_group(self._partial, mode="r+")

    def _array(self, name: str) -> zarr.Array:
        array = self._group[name]
        assert isinstance(array, zarr.Array)
        return array

    def _write_beside(self, graph: Graph | None, stimulus: Stimulus | None) -> dict[str, str]:
        """Writes the groups that a fit may read, and gives their digests by name."""
        if graph is not None and graph.n_neurons != self.n_neurons:
            raise ValueError(f"a graph of {graph.n_neurons} neurons for {self.n_neurons} of them")
        if stimulus is not None and len(stimulus.frame) != self.n_frames:
            raise ValueError(
                f"a stimulus of {len(stimulus.frame)} time steps for {self.n_frames} frames"
            )
        groups = {}
        for name, value in {"graph": graph, "stimulus": stimulus}.items():
            if value is not None:
                dataset = value.to_dataset()
                self._write_group(dataset, name, kind=GROUPS[name])
                groups[name] = group_digest(dataset)
        return groups

    def _write_group(self, dataset: xr.Dataset, name: str, *, kind: str) -> None:
        shutil.rmtree(self._partial / name, ignore_errors=True)
        write_dataset(dataset, self._partial, group=name)
        seal_group(self._partial / name, {"format": kind})

    def _check_room(self) -> None:
        left = (self.n_frames - self.resume_frame) * self.n_neurons * 4 * len(self.names)
        needed = int(left * 1.02) + self._beside_bytes + 2**20  # checksums, truth, metadata
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise OSError(
                f"{self.path} needs {_size(needed)}, but {self.path.parent} has only "
                f"{_size(free)} free; record fewer frames or choose another disk"
            )

    def _save_state(self, state: Mapping[str, np.ndarray]) -> None:
        with self._state_scratch.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                _key=np.array(self._key),
                _frame=np.array(self.resume_frame),
                _digests=np.array(self._digests),
                _seconds=np.array(time.monotonic() - self._began + self._earlier),
                **state,
            )
        self._state_scratch.replace(self._state_file)

    def _forget_state(self) -> None:
        for file in (self._state_file, self._state_scratch):
            file.unlink(missing_ok=True)

    def _load_state(self) -> bool:
        """Takes over where an interrupted writer with the same key stopped."""
        if not self._key or not self._state_file.exists():
            return False
        try:
            with self._state_file.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                state = {name: arrays[name] for name in arrays.files}
            whole = (self._partial / "zarr.json").is_file()
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            _log.warning("%s cannot be read (%s): starting anew", self._state_file, error)
            return False
        if str(state.pop("_key", "")) != self._key or not whole:
            _log.info("%s is of another run: starting anew", self._partial)
            return False
        self.resume_frame = int(state.pop("_frame"))
        self._digests = state.pop("_digests").tolist()
        self._earlier = float(state.pop("_seconds", 0.0))
        self.resume_state = state
        _log.info("%s: resuming at frame %d", self._partial, self.resume_frame)
        return True


def recording_from_array(
    path: str | Path,
    activity: Num[np.ndarray, "T N"],
    *,
    dt: float,
    drift: Num[np.ndarray, "T N"] | None = None,
    truth: xr.Dataset | None = None,
    graph: Graph | None = None,
    stimulus: Stimulus | None = None,
    attrs: Mapping[str, Any] | None = None,
    time_unit: str = "time unit",
) -> None:
    """Writes a recording from arrays, which may be memory maps: one shard is held at a time.

    Args:
        path: Folder of the store.
        activity: Activity, ``(T, N)``: one row per frame.
        dt: Time between frames [time unit].
        drift: Noise-free rate of change [activity/time unit].
        truth: What is known of the network.
        graph: The edges that a model is given.
        stimulus: What drove the network.
        attrs: Further attributes of the store.
        time_unit: Unit of ``dt``.

    Raises:
        ValueError: If shapes do not match, dt is not positive, or a value is not finite.
        OSError: If the disk has too little room.
    """
    for name, values in {"activity": activity, "drift": drift}.items():
        if values is None:
            continue
        if values.ndim != 2 or values.shape != activity.shape or values.dtype.kind not in "fiu":
            raise ValueError(
                f"{name} has shape {values.shape} and dtype {values.dtype}; expected numbers of "
                "shape (frames, neurons), the same for activity and drift"
            )
    n_frames, n_neurons = activity.shape
    writer = RecordingWriter(
        path,
        n_frames=n_frames,
        n_neurons=n_neurons,
        dt=dt,
        has_drift=drift is not None,
        attrs={"provenance": provenance(stamp=False), **(attrs or {})},
        time_unit=time_unit,
    )
    for start in range(0, n_frames, writer.shard_frames):
        rows = slice(start, start + writer.shard_frames)
        writer.append(activity[rows], None if drift is None else drift[rows])
    writer.close(truth, graph=graph, stimulus=stimulus)


def _create_array(
    group: zarr.Group,
    name: str,
    *,
    shape: tuple[int, ...],
    shard: tuple[int, ...],
    dims: tuple[str, ...],
    attrs: Mapping[str, str],
) -> None:
    per_shard = _CHUNKS_PER_SHARD if shard[0] % _CHUNKS_PER_SHARD == 0 else 1
    group.create_array(
        name,
        shape=shape,
        chunks=(shard[0] // per_shard, *shard[1:]),
        shards=shard,
        dtype="float64" if name == "time" else "float32",
        filters=None,
        compressors=(Crc32cCodec(),),
        fill_value=float("nan"),  # a chunk that is not there can never pass for activity
        dimension_names=dims,
        attributes=dict(attrs),
        config={"write_empty_chunks": True},
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes > 2**27 else f"{n_bytes / 2**20:.1f} MiB"


def _check_finite(values: Num[np.ndarray, "T N"], *, name: str, first: int) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, neuron = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} is {values[row, neuron]} at frame {first + row}, neuron {neuron}; recordings "
            "hold finite values only: interpolate or cut missing frames first"
        )
