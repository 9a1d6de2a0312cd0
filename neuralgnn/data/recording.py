"""Recorded activity, read lazily. Axes: T frames, N neurons.

A recording is a zarr 3 store (folder ``activity.zarr``) that also opens with
``xarray.open_zarr(path, consolidated=False)``:

* ``activity(time, neuron)`` float32, and where it was simulated with it ``drift(time, neuron)``,
  the noise-free rate of change; ``time(time)`` float64 in the model's time unit;
* attributes ``dt``, ``time_unit``, ``n_frames``, ``content_sha256``, ``provenance``, …;
* where it is known, a group ``graph``: the edges that a model is given, ``pre(edge)`` and
  ``post(edge)``, with places ``u(neuron)``, ``v(neuron)`` (:class:`neuralgnn.data.Graph`);
* where the network is driven, a group ``stimulus``: ``stimulus(stimulus_frame, channel)``, the
  frame of it that each time step shows, ``frame(time)``, and the neurons that receive it,
  ``input_neuron(input)`` and ``input_channel(input)`` (:class:`neuralgnn.data.Stimulus`);
* a group ``truth`` with the simulator's weights, types and functions. It has metadata of its
  own and :func:`open_recording` never opens it: what is fitted cannot see what is sought.

Chunks are uncompressed with a CRC-32C each: activity hardly compresses (zstd saves 7 %), and
damaged bytes raise instead of giving other numbers.
"""

__all__ = [
    "GROUPS",
    "RECORDING",
    "TRUTH",
    "Recording",
    "group_digest",
    "open_recording",
    "open_truth",
    "sealed_digest",
    "shard_digest",
]

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Float32, Int

from neuralgnn.data.graph import Graph
from neuralgnn.data.stimulus import Stimulus
from neuralgnn.data.store import open_group

RECORDING = "neuralgnn-recording"
TRUTH = "neuralgnn-truth"
GROUPS = {"graph": "neuralgnn-graph", "stimulus": "neuralgnn-stimulus"}
"""Groups that a recording may have beside its activity, and their ``format``."""

Frames = slice | range | Int[np.ndarray, " T"] | None


class Recording:
    """Activity of ``N`` neurons over ``n_frames`` frames; nothing is read before it is asked for.

    Attributes:
        path: Folder of the store.
        n_frames: Number of frames.
        n_neurons: Number of neurons ``N``.
        dt: Time between frames [time unit].
        has_drift: Whether the noise-free rate of change was stored.
        digest: SHA-256 of the content (activity, drift, graph, stimulus), see
            :func:`sealed_digest`.
        attrs: All attributes of the store.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self.attrs: dict[str, Any] = dict(group.attrs)
        self._arrays = {"activity": _array(path, group, "activity")}
        self.n_frames, self.n_neurons = self._arrays["activity"].shape
        self.has_drift = "drift" in self.attrs["seal"]
        if self.has_drift:
            self._arrays["drift"] = _array(path, group, "drift")
        self.dt = float(self.attrs["dt"])
        self.digest = str(self.attrs["content_sha256"])

    def __repr__(self) -> str:
        drift = " with drift" if self.has_drift else ""
        return f"<Recording {self.path}: {self.n_frames} frames, {self.n_neurons} neurons{drift}>"

    def activity(self, frames: Frames = None) -> Float32[np.ndarray, "T N"]:
        """Reads activity x of the given frames; all of them by default.

        Args:
            frames: Slice, range or array of frame numbers, in any order.

        Raises:
            IndexError: If a frame is outside the recording.
            ValueError: If a value is not finite, or stored bytes are damaged.
        """
        return self._read("activity", frames)

    def drift(self, frames: Frames = None) -> Float32[np.ndarray, "T N"]:
        """Reads the noise-free rate of change [activity/time unit] of the given frames.

        Raises:
            IndexError: If a frame is outside the recording.
            ValueError: If it was not stored, is not finite, or stored bytes are damaged.
        """
        if not self.has_drift:
            raise ValueError(
                f"{self.path} has no drift; a recording gives the finite difference only "
                "(target.kind: finite_difference), a simulation stores it with record_drift: true"
            )
        return self._read("drift", frames)

    @cached_property
    def graph(self) -> Graph | None:
        """The edges that a model is given; None where any neuron may act on any other.

        Raises:
            ValueError: If the group is damaged.
        """
        dataset = self._group("graph")
        return None if dataset is None else Graph.from_dataset(dataset)

    @cached_property
    def stimulation(self) -> Stimulus | None:
        """What drives the network, held in memory once it was asked for; None: nothing does.

        Raises:
            ValueError: If the group is damaged.
        """
        dataset = self._group("stimulus")
        return None if dataset is None else Stimulus.from_dataset(dataset)

    def stimulus(self, frames: Frames = None) -> Float32[np.ndarray, "T C"] | None:
        """Luminance of every channel at the given frames; None where nothing drives the network.

        Raises:
            IndexError: If a frame is outside the recording.
        """
        if self.stimulation is None:
            return None
        return self.stimulation.channels(np.asarray(_frame_numbers(frames, self.n_frames)))

    def external_input(self, frames: Frames = None) -> Float32[np.ndarray, "T N"] | None:
        """What each neuron receives from outside at the given frames; None where nothing does.

        Raises:
            IndexError: If a frame is outside the recording.
        """
        if self.stimulation is None:
            return None
        numbers = np.asarray(_frame_numbers(frames, self.n_frames))
        return self.stimulation.external_input(numbers, n_neurons=self.n_neurons)

    def split(self, validation_fraction: float) -> tuple[range, range]:
        """Training frames, and the held-out share of the frames at the recording's end.

        Raises:
            ValueError: If either part would be empty.
        """
        n_held_out = int(self.n_frames * validation_fraction)
        if not 0 < n_held_out < self.n_frames:
            raise ValueError(
                f"validation_fraction = {validation_fraction:g} of {self.n_frames} frames holds "
                f"out {n_held_out}; both parts need at least one frame"
            )
        n_train = self.n_frames - n_held_out
        return range(n_train), range(n_train, self.n_frames)

    def verify(self) -> None:
        """Reads everything and compares it with the digest taken when it was written.

        Raises:
            ValueError: If content and digest differ, or stored bytes are damaged.
        """
        array = self._arrays["activity"]
        step = (array.shards or array.chunks)[0]
        digests = [
            shard_digest([self._read(name, slice(start, start + step)) for name in self._arrays])
            for start in range(0, self.n_frames, step)
        ]
        groups = {name: group_digest(self._read_group(name)) for name in self._group_names}
        found = sealed_digest(digests, dt=self.dt, groups=groups)
        if found != self.digest:
            raise ValueError(
                f"{self.path} has content {found[:12]}…, but its attributes say "
                f"{self.digest[:12]}…: values were changed after it was written"
            )

    @property
    def _group_names(self) -> list[str]:
        return list(self.attrs.get("groups", ()))

    def _group(self, name: str) -> xr.Dataset | None:
        return self._read_group(name) if name in self._group_names else None

    def _read_group(self, name: str) -> xr.Dataset:
        try:
            open_group(self.path, kind=GROUPS[name], group=name)
            return xr.open_zarr(self.path, group=name, consolidated=False, chunks=None).load()
        except Exception as error:  # codecs raise what they like on damaged bytes
            raise ValueError(f"{self.path}: group {name} cannot be read ({error})") from error

    def _read(self, name: str, frames: Frames) -> Float32[np.ndarray, "T N"]:
        array = self._arrays[name]
        numbers = _frame_numbers(frames, self.n_frames)
        try:
            if isinstance(numbers, range):
                values = np.asarray(array[numbers.start : numbers.stop : numbers.step])
            else:
                values = np.asarray(array.oindex[numbers])
        except Exception as error:  # codecs raise what they like on damaged bytes
            raise ValueError(
                f"{self.path}: {name} of frames {_span(numbers)} cannot be read ({error}); "
                "are its files damaged?"
            ) from error
        _check_finite(values, name=name, path=self.path, numbers=numbers)
        return values


def open_recording(path: str | Path) -> Recording:
    """Opens a recording without its truth; refuses one that is not whole.

    Raises:
        FileNotFoundError: If there is no store.
        ValueError: If it is no recording, incomplete, truncated or inconsistent.
    """
    path = Path(path)
    return Recording(path, open_group(path, kind=RECORDING))


def open_truth(path: str | Path) -> xr.Dataset | None:
    """Opens what a simulation knows: weights, types, parameters, functions; None if unknown.

    Args:
        path: Folder of the recording.

    Raises:
        FileNotFoundError: If there is no store.
        ValueError: If it is no recording, or the truth in it is not whole.
    """
    path = Path(path)
    open_group(path, kind=RECORDING)
    if not (path / "truth").is_dir():
        return None
    open_group(path, kind=TRUTH, group="truth")
    return xr.open_zarr(path, group="truth", consolidated=False, chunks=None)


def shard_digest(arrays: Sequence[Float32[np.ndarray, "T N"]]) -> str:
    """SHA-256 of one shard's values, activity first, then drift."""
    total = hashlib.sha256()
    for values in arrays:
        total.update(np.ascontiguousarray(values, dtype="<f4").data)
    return total.hexdigest()


def group_digest(dataset: xr.Dataset) -> str:
    """SHA-256 of a group's variables: names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        values = np.ascontiguousarray(dataset.variables[name].values)
        total.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        total.update(values.data)
    return total.hexdigest()


def sealed_digest(
    shard_digests: Sequence[str], *, dt: float, groups: Mapping[str, str] | None = None
) -> str:
    """SHA-256 of a recording: of its shards' digests in order, dt, and those of its groups."""
    beside = [f"{name} {value}" for name, value in sorted((groups or {}).items())]
    lines = [*shard_digests, repr(float(dt)), *beside]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _array(path: Path, group: zarr.Group, name: str) -> zarr.Array:
    expected = (group.attrs.get("n_frames"), group.attrs.get("n_neurons"))
    try:
        array = group[name]
    except Exception as error:  # damaged metadata: json, key or zarr errors
        raise ValueError(f"{path}: array {name!r} cannot be opened ({error})") from error
    if not isinstance(array, zarr.Array) or array.shape != expected:
        found = array.shape if isinstance(array, zarr.Array) else "a group"
        raise ValueError(f"{path}: {name} is {found}, expected {expected}; was it changed?")
    return array


def _frame_numbers(frames: Frames, n_frames: int) -> range | Int[np.ndarray, " T"]:
    if frames is None:
        return range(n_frames)
    if isinstance(frames, slice):
        numbers = range(*frames.indices(n_frames))
        if numbers.step > 0:
            return numbers
        frames = numbers
    numbers = np.asarray(frames)
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
        raise IndexError(
            f"frames has shape {numbers.shape} and dtype {numbers.dtype}, expected a list of "
            "integer frame numbers"
        )
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n_frames):
        raise IndexError(
            f"frames {numbers.min()}..{numbers.max()} are asked for, but the recording has "
            f"0..{n_frames - 1}"
        )
    return _regular(numbers)


def _regular(numbers: Int[np.ndarray, " T"]) -> range | Int[np.ndarray, " T"]:
    """Evenly spaced increasing frames as a range, which is read without an index list."""
    if len(numbers) < 2:
        return range(int(numbers[0]), int(numbers[0]) + 1) if len(numbers) else range(0)
    first, step = int(numbers[0]), int(numbers[1]) - int(numbers[0])
    if step > 0 and np.all(np.diff(numbers) == step):
        return range(first, int(numbers[-1]) + 1, step)
    return numbers


def _span(numbers: range | Int[np.ndarray, " T"]) -> str:
    return f"{min(numbers)}..{max(numbers)}" if len(numbers) else "none"


def _check_finite(
    values: Float32[np.ndarray, "T N"],
    *,
    name: str,
    path: Path,
    numbers: range | Int[np.ndarray, " T"],
) -> None:
    for start in range(0, len(values), 1024):  # blocks: no mask as large as the recording
        bad = ~np.isfinite(values[start : start + 1024])
        if bad.any():
            row, neuron = np.argwhere(bad)[0]
            value = values[start + row, neuron]
            frame = numbers[start + int(row)]
            raise ValueError(
                f"{path}: {name} is {value} at frame {frame}, neuron {neuron}; only finite values "
                "can be used: interpolate or cut missing frames first"
            )
