r"""Answers to flashes and moving edges. Axes: T steps, S stimuli, C columns, N neurons, K types.

*Flash response index* of a cell: with r its activity above the smallest of both conditions and p
the peak of r during the flash,

.. math:: FRI = (p_{bright} - p_{dark}) / (p_{bright} + p_{dark}).

*Direction selectivity* for one contrast: with R the peak of the rectified activity, averaged over
speeds,

.. math:: DSI = \Big| \sum_\theta R(\theta) e^{i \theta} \Big| \Big/ \sum_\theta R(\theta),

and the preferred direction is the angle of that sum. Both are of the cell in the central column,
for a network that starts from its steady state under grey.

What is known from experiments: whether a cell prefers bright (ON) or dark (OFF), for 32 types, and
the directions of T4 and T5.

Source: Lappalainen et al. 2024 (Nature 634, 1132); Maisak et al. 2013 (Nature 500, 212).
"""

__all__ = ["KNOWN_DIRECTIONS", "KNOWN_POLARITY", "Probe", "probe_dataset", "true_model"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float32, Int

from neuralgnn.analyse.labels import about
from neuralgnn.data.graph import Graph
from neuralgnn.data.stimulus import Stimulus
from neuralgnn.models.sparse import AffineGNN

KNOWN_DIRECTIONS = {
    f"T{family}{letter}": angle
    for family in (4, 5)
    for letter, angle in {"a": 180.0, "b": 0.0, "c": 90.0, "d": 270.0}.items()
}
"""Directions that T4 and T5 prefer, 0 to the right, 90 up [degree]."""

_ON = ("L5", "Mi1", "Mi4", "Tm3", "C3", "CT1(M10)", *(f"T4{letter}" for letter in "abcd"))
_OFF = ("L1", "L2", "L3", "L4", "Mi9", "Tm1", "Tm2", "Tm4", "Tm9", "CT1(Lo1)")
KNOWN_POLARITY = {
    **{f"R{k}": 1 for k in range(1, 9)},
    **dict.fromkeys(_ON, 1),
    **dict.fromkeys((*_OFF, *(f"T5{letter}" for letter in "abcd")), -1),
}
"""+1 for cell types that are known to prefer bright, -1 for those that prefer dark."""

Rate = Callable[[Float32[np.ndarray, "S N"], Float32[np.ndarray, "S N"]], np.ndarray]


@dataclass(frozen=True)
class Probe:
    """What is shown.

    Attributes:
        flashes: A dark and a bright flash, ``(2, T, C)``.
        lit: First and last step of the flashes.
        edges: Moving edges by speed, each ``(2, A, T, C)``: dark and bright, by angle.
        angles: Directions of motion [degree].
        dt: Length of a time step [s].
        grey: Luminance that the network is used to.
        settle: Steps under grey that lead to the steady state.
    """

    flashes: Float[np.ndarray, "2 T C"]
    lit: tuple[int, int]
    edges: Sequence[Float[np.ndarray, "2 A T C"]]
    angles: Sequence[float]
    dt: float
    grey: float
    settle: int


def probe_dataset(
    probe: Probe,
    rates: Mapping[str, Rate],
    *,
    stimulus: Stimulus,
    cells: Int[np.ndarray, " K"],
    names: Sequence[str],
    n_neurons: int,
) -> xr.Dataset:
    """Flash response indices, tuning curves and what follows from them, as stored.

    ``flash_index(network, cell_type)``, ``tuning(network, cell_type, contrast, angle)``,
    ``selectivity`` and ``preferred_direction(network, cell_type, contrast)``; ``known_polarity``
    and ``known_direction``, NaN where nothing is known.

    Args:
        probe: What is shown.
        rates: Rate of change of each network, by its name (``learned``, ``true``).
        stimulus: Which neurons see which column.
        cells: Neuron that stands for each cell type.
        names: Names of those types.
        n_neurons: Number of neurons ``N``.
    """
    found: dict[str, list[np.ndarray]] = {"flash_index": [], "tuning": []}
    for rate in rates.values():
        eye = _Eye(rate, stimulus, n_neurons, probe)
        traces = eye.watch(probe.flashes)[..., cells]  # (2, T, K)
        found["flash_index"].append(_flash_index(traces, probe.lit))
        found["tuning"].append(np.mean([_peaks(eye, clips, cells) for clips in probe.edges], 0))
    tuning = np.stack(found["tuning"])  # (network, K, contrast, angle)
    vector = (tuning * np.exp(1j * np.deg2rad(probe.angles))).sum(-1)
    total = tuning.sum(-1)
    selectivity = np.divide(np.abs(vector), total, out=np.zeros_like(total), where=total > 0)
    direction = np.rad2deg(np.angle(vector)) % 360
    known = {
        "known_polarity": (KNOWN_POLARITY, "known preference, +1 for bright", "1"),
        "known_direction": (KNOWN_DIRECTIONS, "known direction", "degree"),
    }
    dims = ("network", "cell_type", "contrast")
    dataset = xr.Dataset(
        {
            "flash_index": (
                dims[:2],
                np.stack(found["flash_index"]),
                about("flash response index", "1"),
            ),
            "tuning": ((*dims, "angle"), tuning, about("peak activity", "1")),
            "selectivity": (dims, selectivity, about("direction selectivity index", "1")),
            "preferred_direction": (dims, direction, about("preferred direction", "degree")),
            **{
                name: (
                    "cell_type",
                    np.array([float(values.get(cell, np.nan)) for cell in names]),
                    about(title, units),
                )
                for name, (values, title, units) in known.items()
            },
        },
        coords={
            "network": list(rates),
            "cell_type": list(names),
            "contrast": ["dark", "bright"],
            "angle": ("angle", np.asarray(probe.angles, float), {"units": "degree"}),
        },
    )
    return dataset.assign_attrs(_summary(dataset))


def true_model(truth: xr.Dataset, graph: Graph) -> AffineGNN:
    """The fly's own equation as a model, on the edges that a model is given.

    Args:
        truth: ``weight``, ``time_constant``, ``resting_potential``.
        graph: The edges.
    """
    model = AffineGNN(graph.n_neurons, n_edges=graph.n_edges, n_knots=3)
    model.connect(graph.pre, graph.post)
    leak = 1 / truth["time_constant"].values.astype(np.float64)
    constants = np.column_stack([truth["resting_potential"].values * leak, leak, leak])
    with torch.no_grad():
        model.knots.copy_(torch.tensor([-1.0, 0.0, 1.0]))
        model.values.copy_(torch.tensor([0.0, 0.0, 1.0]))
        model.embedding.copy_(torch.as_tensor(constants))
        model.weight.copy_(torch.as_tensor(truth["weight"].values))
    return model


class _Eye:
    """A network that watches clips, from its steady state under grey."""

    def __init__(self, rate: Rate, stimulus: Stimulus, n_neurons: int, probe: Probe) -> None:
        self.rate, self.stimulus, self.dt = rate, stimulus, np.float32(probe.dt)
        start = np.zeros((1, n_neurons), dtype=np.float32)
        n_columns = stimulus.values.shape[1]
        self.start = start  # until it has settled
        grey = np.full((1, max(probe.settle, 1), n_columns), probe.grey)
        self.start = self.watch(grey)[:, -1]

    def watch(self, clips: Float[np.ndarray, "S T C"]) -> Float32[np.ndarray, "S T N"]:
        """Activity after each step."""
        v = np.repeat(self.start, len(clips), axis=0)
        seen = np.empty((*clips.shape[:2], v.shape[1]), dtype=np.float32)
        external = np.zeros_like(v)
        inputs, channels = self.stimulus.input_neuron, self.stimulus.input_channel
        for step in range(clips.shape[1]):
            external[:, inputs] = clips[:, step, channels]
            v = np.clip(np.nan_to_num(v + self.dt * self.rate(v, external)), -100, 100)
            seen[:, step] = v
        return seen

    def peaks(
        self, clips: Float[np.ndarray, "S T C"], cells: Int[np.ndarray, " K"]
    ) -> Float32[np.ndarray, "S K"]:
        """Largest rectified activity of some cells; what all neurons did is not held."""
        v = np.repeat(self.start, len(clips), axis=0)
        external, best = np.zeros_like(v), np.zeros((len(clips), len(cells)), dtype=np.float32)
        inputs, channels = self.stimulus.input_neuron, self.stimulus.input_channel
        for step in range(clips.shape[1]):
            external[:, inputs] = clips[:, step, channels]
            v = np.clip(np.nan_to_num(v + self.dt * self.rate(v, external)), -100, 100)
            np.maximum(best, v[:, cells], out=best)
        return best


def _peaks(
    eye: _Eye, clips: Float[np.ndarray, "2 A T C"], cells: Int[np.ndarray, " K"]
) -> Float[np.ndarray, "K 2 A"]:
    n_contrasts, n_angles, n_steps, n_columns = clips.shape
    best = eye.peaks(clips.reshape(-1, n_steps, n_columns), cells)
    return best.reshape(n_contrasts, n_angles, -1).transpose(2, 0, 1).astype(np.float64)


def _flash_index(
    traces: Float32[np.ndarray, "2 T K"], lit: tuple[int, int]
) -> Float[np.ndarray, " K"]:
    above = (traces - traces.min(axis=(0, 1))).astype(np.float64)
    dark, bright = above[:, lit[0] : lit[1]].max(axis=1)
    total = dark + bright
    return np.divide(bright - dark, total, out=np.zeros_like(total), where=total > 1e-6)


def _summary(dataset: xr.Dataset) -> dict[str, float]:
    """How far each network agrees with what is known, and the learned one with the true one."""
    numbers: dict[str, float] = {}
    polarity = dataset["known_polarity"].values
    known = np.isfinite(polarity)
    for network in dataset["network"].values:
        index = dataset["flash_index"].sel(network=network).values
        if known.any():
            right = np.sign(index[known]) == polarity[known]
            numbers[f"{network}_polarity_right"] = float(right.mean())
        errors = _direction_errors(dataset.sel(network=network))
        if len(errors):
            numbers[f"{network}_direction_error"] = float(errors.mean())
    if {"true", "learned"} <= set(dataset["network"].values.tolist()):
        learned, true = (dataset["flash_index"].sel(network=n) for n in ("learned", "true"))
        numbers["flash_index_difference"] = float(np.abs(learned - true).max())
    return numbers


def _direction_errors(dataset: xr.Dataset) -> Float[np.ndarray, " M"]:
    """Angle between preferred and known direction, of T4 for bright edges and T5 for dark ones."""
    errors = []
    for cell in (str(name) for name in dataset["cell_type"].values):
        if cell in KNOWN_DIRECTIONS:
            contrast = "bright" if cell.startswith("T4") else "dark"
            found = dataset["preferred_direction"].sel(cell_type=cell, contrast=contrast)
            off = (float(found) - KNOWN_DIRECTIONS[cell] + 180) % 360 - 180
            errors.append(abs(off))
    return np.array(errors)
