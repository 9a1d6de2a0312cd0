"""Cells of some types in every column of the eye, for a movie. Axes: T frames, C columns."""

__all__ = ["Lattice", "chosen_lattice"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float32, Int

from neuralgnn.analyse.labels import about
from neuralgnn.data.recording import Recording

_TYPES = ("R1", "L3", "Mi1", "Tm1", "T4a", "T5a")  # from the light inwards
_FRAMES = 300


@dataclass(frozen=True)
class Lattice:
    """Which cells are shown.

    Attributes:
        names: Cell types.
        cells: Cell of each type in each column, columns by rising u, then v.
        u: First axial coordinate of each column.
        v: Second axial coordinate.
    """

    names: Sequence[str]
    cells: Int[np.ndarray, "K C"]
    u: Int[np.ndarray, " C"]
    v: Int[np.ndarray, " C"]

    @property
    def every(self) -> Int[np.ndarray, " M"]:
        """All of the cells, type by type."""
        return self.cells.reshape(-1)

    def variables(
        self, recording: Recording, predicted: Float32[np.ndarray, "T M"]
    ) -> dict[str, Any]:
        """Light, true and predicted activity of the first frames, as stored; none if no cells.

        Args:
            recording: What was predicted.
            predicted: Predicted activity of :attr:`every`.
        """
        if not self.cells.size:
            return {}
        n_frames = min(_FRAMES, len(predicted))
        frames = slice(0, n_frames)
        light = recording.stimulus(frames)
        assert light is not None
        shape = (n_frames, *self.cells.shape)
        true = recording.activity(frames)[:, self.every].reshape(shape).transpose(1, 0, 2)
        learned = predicted[:n_frames].reshape(shape).transpose(1, 0, 2)
        dims = ("lattice_type", "frame", "column")
        return {
            "lattice_light": (("frame", "column"), light, about("luminance", "1")),
            "lattice_true": (dims, true, about("simulated activity", "1")),
            "lattice_predicted": (dims, learned, about("predicted activity", "1")),
            "lattice_time": ("frame", recording.dt * np.arange(n_frames), about("time", "s")),
            "lattice_type": ("lattice_type", np.array(self.names, dtype=object)),
            "u": ("column", self.u, about("axial coordinate u", "1")),
            "v": ("column", self.v, about("axial coordinate v", "1")),
        }


def chosen_lattice(recording: Recording, truth: xr.Dataset | None) -> Lattice:
    """Cell types with one cell per column that sees; no cells where none are known."""
    graph, stimulation = recording.graph, recording.stimulation
    nothing = np.empty(0, dtype=np.int64)
    if (
        truth is None
        or "cell_type" not in truth
        or stimulation is None
        or graph is None
        or graph.u is None
        or graph.v is None
    ):
        return Lattice([], nothing.reshape(0, 0), nothing, nothing)
    n_columns = stimulation.values.shape[1]
    names = [str(name) for name in truth["cell_type"].values]
    found: dict[str, np.ndarray] = {}
    for name in (name for name in _TYPES if name in names):
        members = np.flatnonzero(truth["type"].values == names.index(name))
        if len(members) == n_columns:
            found[name] = members[np.lexsort((graph.v[members], graph.u[members]))]
    if not found:
        return Lattice([], nothing.reshape(0, 0), nothing, nothing)
    cells = np.stack(list(found.values()))
    return Lattice(list(found), cells, graph.u[cells[0]], graph.v[cells[0]])
