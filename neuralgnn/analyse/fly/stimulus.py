r"""A stimulus that was found, beside the true one. Axes: T frames, C channels, P pairs, E edges.

Scale and offset of what is found are compared after one line over all channels and frames, as
published,

.. math:: I \approx \alpha\, s + \beta,

for the offset is a gauge (:mod:`neuralgnn.models.hidden_stimulus`). The model that sees s is then
written as one that sees I, with gains of inputs over :math:`\alpha`, their weights times
:math:`\alpha` and their drives shifted by :math:`-\gamma\beta/\alpha`: the same rates of change,
and weights, resting potentials and predictions in the scale of the truth.
"""

__all__ = ["StimulusScale", "found_stimulus", "in_true_scale"]

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.fly.scores import Metrics, line_scores
from neuralgnn.analyse.labels import about
from neuralgnn.data.recording import Recording
from neuralgnn.data.target import target
from neuralgnn.models.hidden_stimulus import HiddenStimulus, StimulusSiren
from neuralgnn.models.sparse import AffineGNN, SparseGNN

_FRAMES = 1000  # evenly spread over the training stretch
_FIRST = 1000  # first ones, of which traces are kept
_BLOCK = 200
_ERRORS = ("weight_error", "unbiased_error")


@dataclass(frozen=True)
class StimulusScale:
    """True stimulus of a found one: ``slope`` times it plus ``offset``."""

    slope: float
    offset: float

    @classmethod
    def of(
        cls, found: Float[np.ndarray, "T C"], true: Float[np.ndarray, "T C"]
    ) -> "StimulusScale":
        """Least squares over all channels and frames; slope 1 where that does not rise."""
        _, slope = line_scores(true.ravel(), found.ravel())
        slope = slope if np.isfinite(slope) and slope > 0 else 1.0
        return cls(slope, float(true.mean() - slope * found.mean()))

    def __call__(self, found: Float[np.ndarray, "T C"]) -> Float[np.ndarray, "T C"]:
        """The found stimulus on the true scale."""
        return self.offset + self.slope * found


def found_stimulus(
    recording: Recording, frames: range, extra: Mapping[str, Any]
) -> tuple[StimulusScale, xr.Dataset, Metrics] | None:
    """Compares the stimulus that a fit found with the true one; None if it was given.

    Args:
        recording: The recording that was fitted.
        frames: Frames that were trained on.
        extra: ``hidden_stimulus`` and ``stimulus_siren`` of the checkpoint.

    Returns:
        The line from found to true; ``stimulus_true``, ``stimulus_found`` and ``stimulus_siren``
        (all on the true scale, dims ``(stimulus_frame, channel)``: the first frames), pairs of
        values over the training stretch, places ``stimulus_u`` and ``stimulus_v``; R², slope and
        offset.
    """
    if "hidden_stimulus" not in extra:
        return None
    hidden = HiddenStimulus.of(extra["hidden_stimulus"])
    some = frames.start + np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).astype(int)
    found, true = _both(recording, hidden, np.unique(some))
    scale = StimulusScale.of(found, true)
    metrics: Metrics = {
        "stimulus_r2": line_scores(found.ravel(), true.ravel())[0],
        "stimulus_slope": scale.slope,
        "stimulus_offset": scale.offset,
    }
    first = np.asarray(frames[:_FIRST])
    shown, shown_true = _both(recording, hidden, first)
    movies = {
        "stimulus_true": (shown_true, "true stimulus"),
        "stimulus_found": (scale(shown), "recovered stimulus"),
    }
    if extra.get("stimulus_siren") is not None:
        learnt = StimulusSiren.of(extra["stimulus_siren"])
        n_learnt = min(learnt.n_frames, len(first))
        siren = np.full(shown.shape, np.nan)
        siren[:n_learnt] = learnt.at(first[:n_learnt])
        own = StimulusScale.of(siren[:n_learnt], shown_true[:n_learnt])
        movies["stimulus_siren"] = (own(siren), "stimulus of the SIREN")
        metrics["stimulus_siren_r2"] = line_scores(
            siren[:n_learnt].ravel(), shown_true[:n_learnt].ravel()
        )[0]
    dims = ("stimulus_frame", "channel")
    variables: dict[str, Any] = {
        name: (dims, values.astype(np.float32), about(title, "1"))
        for name, (values, title) in movies.items()
    }
    pairs = {"true": ("true", true), "found": ("recovered", scale(found))}
    for name, (word, values) in pairs.items():
        variables[f"stimulus_pair_{name}"] = (
            "pair", values.ravel().astype(np.float32), about(f"{word} stimulus", "1")
        )  # fmt: skip
    variables |= _places(recording, hidden)
    time = recording.dt * first
    variables["stimulus_time"] = ("stimulus_frame", time, about("time", "s"))
    return scale, xr.Dataset(variables), metrics


def in_true_scale(
    model: SparseGNN, extra: Mapping[str, Any], scale: StimulusScale
) -> tuple[SparseGNN, dict[str, Any]]:
    """The model that sees the true stimulus, and what its fit says of its weights.

    Args:
        model: The model that sees the one that was found.
        extra: ``hidden_stimulus`` and the standard errors of the checkpoint.
        scale: The line from found to true.
    """
    assert isinstance(model, AffineGNN)  # no other trainer finds a stimulus
    model = deepcopy(model)
    seeing = torch.zeros(model.n_neurons, dtype=torch.bool)
    seeing[HiddenStimulus.of(extra["hidden_stimulus"]).neuron] = True
    into = seeing[model.post.cpu()]
    with torch.no_grad():
        drive, leak, gain = model.embedding.detach().double().T
        gain = torch.where(seeing, gain / scale.slope, gain)
        drive = torch.where(seeing, drive - gain * scale.offset, drive)
        model.embedding.copy_(torch.stack([drive, leak, gain], dim=1))
        model.weight[into] *= scale.slope
    scaled = {
        name: torch.where(into, extra[name] * scale.slope, extra[name])
        for name in _ERRORS
        if name in extra
    }
    return model, {**extra, **scaled}


def _both(
    recording: Recording, hidden: HiddenStimulus, frames: Int[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, "T C"], Float[np.ndarray, "T C"]]:
    """Found and true stimulus; a fit without one had the drift as its target."""
    found = []
    for start in range(0, len(frames), _BLOCK):
        some = frames[start : start + _BLOCK]
        found.append(hidden.at(recording.activity(some), target(recording, some, kind="drift")))
    true = recording.stimulus(frames)
    assert true is not None
    return np.concatenate(found), true.astype(np.float64)


def _places(recording: Recording, hidden: HiddenStimulus) -> dict[str, Any]:
    """Where each channel is on the lattice; nothing where no places are known."""
    graph = recording.graph
    channels, first = np.unique(hidden.channel.numpy(), return_index=True)
    if graph is None or graph.u is None or graph.v is None or len(channels) < hidden.n_channels:
        return {}
    neuron = hidden.neuron.numpy()[first]
    return {
        "stimulus_u": ("channel", graph.u[neuron], about("axial coordinate u", "1")),
        "stimulus_v": ("channel", graph.v[neuron], about("axial coordinate v", "1")),
    }
