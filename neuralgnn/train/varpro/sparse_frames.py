"""Frames that a fit on a graph reads, and the stimulus where it is not given.

Axes: T frames, N neurons, C channels.
"""

__all__ = ["Loader", "find_stimulus", "fit_siren", "stimulation"]

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float

from neuralgnn.config.graph_fit import HiddenStimulusConfig
from neuralgnn.data import Recording, Stimulus, target
from neuralgnn.models.hidden_stimulus import HiddenStimulus
from neuralgnn.train.progress import Progress
from neuralgnn.train.varpro.hats import Hats
from neuralgnn.train.varpro.hidden_stimulus import find_hidden_stimulus, fit_stimulus_siren
from neuralgnn.train.varpro.sparse_sums import Frames

_BLOCK_BYTES = 1 << 26  # of one array of activity in single precision


class Loader:
    """Reads frames of the recording, what drives it, and the targets.

    Args:
        recording: The recording.
        kind: The target.
        device: Where the frames go.
        is_given: Whether the recording's stimulus may be read.
        hidden: What tells the stimulus where it may not; None: it counts as zero.
    """

    def __init__(
        self,
        recording: Recording,
        kind: Literal["drift", "finite_difference"],
        device: torch.device,
        *,
        is_given: bool = True,
        hidden: HiddenStimulus | None = None,
    ) -> None:
        self.recording, self.device = recording, device
        self.kind: Literal["drift", "finite_difference"] = kind
        self.is_given, self.hidden = is_given, hidden

    def driven_by(self, hidden: HiddenStimulus) -> "Loader":
        """The same with a stimulus that was found."""
        return Loader(self.recording, self.kind, self.device, is_given=False, hidden=hidden)

    def __call__(self, frames: np.ndarray) -> Frames:
        """Activity, targets and external input at frame numbers."""
        x, y = self._observed(frames)
        external = self._external(frames, x, y)
        return Frames(
            *(torch.from_numpy(each).to(self.device).T.contiguous() for each in (x, y, external))
        )

    def stimulus(self, frames: range) -> Float[np.ndarray, "T C"]:
        """The stimulus that was found."""
        assert self.hidden is not None
        return np.concatenate(
            [
                self.hidden.at(*self._observed(np.asarray(frames[start : start + self._size])))
                for start in range(0, len(frames), self._size)
            ]
        )

    def _observed(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.recording.activity(frames), target(self.recording, frames, kind=self.kind)

    def _external(self, frames: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        external = self.recording.external_input(frames) if self.is_given else None
        if self.hidden is not None:
            external = self.hidden.external_input(x, y)
        return np.zeros_like(x) if external is None else external

    @property
    def _size(self) -> int:
        """Frames of a block."""
        return max(1, _BLOCK_BYTES // (4 * self.recording.n_neurons))

    def blocks(self, frames: np.ndarray, bar: Progress) -> Iterator[Frames]:
        """The frames block by block, so that few are held at a time."""
        size = self._size
        for start in range(0, len(frames), size):
            yield self(frames[start : start + size])
            bar.to(min(start + size, len(frames)))


def stimulation(recording: Recording) -> Stimulus:
    """What says which neurons receive which channel.

    Raises:
        ValueError: If the recording does not.
    """
    if recording.stimulation is None:
        raise ValueError(
            f"{recording.path} has no stimulus group, which says what neurons share a channel: "
            "trainer.hidden_stimulus needs that, though not its values"
        )
    return recording.stimulation


def find_stimulus(
    recording: Recording,
    load: Loader,
    frames: np.ndarray,
    *,
    hats: Hats,
    values: np.ndarray,
    ridge: float,
    progress: bool,
) -> HiddenStimulus:
    """What tells the stimulus from activity and rates.

    Args:
        recording: The recording, with its graph.
        load: Reads its frames.
        frames: Frames that are used.
        hats: Basis of the transfer function.
        values: Its values at the knots.
        ridge: Ridge on messages, relative to one of unit variance.
        progress: Whether to show a bar.

    Raises:
        ValueError: If nothing says which neurons receive the stimulus, or those that share a
            channel cannot be told apart.
    """
    graph, wiring = recording.graph, stimulation(recording)
    assert graph is not None
    with Progress("frames of the stimulus", len(frames), show=progress) as bar:
        return find_hidden_stimulus(
            load.blocks(frames, bar),
            graph,
            neurons=wiring.input_neuron,
            channels=wiring.input_channel,
            n_channels=wiring.n_channels,
            hats=hats,
            values=values,
            ridge=ridge,
        )


def fit_siren(
    hidden: HiddenStimulusConfig,
    recording: Recording,
    load: Loader,
    frames: range,
    *,
    seed: int,
) -> dict[str, Any] | None:
    """A network that learns the first frames; None if none is wanted or no places are known."""
    graph, wiring = recording.graph, stimulation(recording)
    if not hidden.siren_frames or graph is None or graph.u is None or graph.v is None:
        return None
    channels, first = np.unique(wiring.input_channel, return_index=True)
    if len(channels) < wiring.n_channels:
        raise ValueError(
            f"{recording.path}: {wiring.n_channels - len(channels)} of {wiring.n_channels} "
            "channels are received by no neuron, so their places are unknown; set "
            "trainer.hidden_stimulus.siren_frames to 0"
        )
    u, v = (axial[wiring.input_neuron[first]] for axial in (graph.u, graph.v))
    siren = fit_stimulus_siren(
        load.stimulus(frames[: hidden.siren_frames]),
        np.stack([u + v / 2, np.sqrt(3) / 2 * v], axis=1),
        hidden=hidden.siren_hidden,
        n_layers=hidden.siren_layers,
        omega_0=hidden.siren_omega_0,
        frames_per_unit=hidden.siren_frames_per_unit,
        n_steps=hidden.siren_steps,
        batch_size=hidden.siren_batch_size,
        learning_rate=hidden.siren_learning_rate,
        generator=torch.Generator().manual_seed(seed),
        device=load.device,
    )
    return siren.plain()
