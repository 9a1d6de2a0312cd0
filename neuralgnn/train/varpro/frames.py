"""Which frames of a recording a fit by variable projection sees. Axes: T frames, N neurons.

Least squares believes every frame. A movement, a lost plane or a bubble makes some that no
equation of the network describes, and where activity or its rate of change is far out they weigh
most. ``trainer.max_deviation`` leaves out the frames at which any neuron is further from its
median than so many interquartile ranges, both taken over the training stretch (Hampel 1974). The
limit is the user's: activity that is heavy-tailed by itself is no artefact.
"""

__all__ = ["FrameLoader", "evenly", "sample_sizes"]

import logging
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from neuralgnn.config.fit import VarproConfig
from neuralgnn.data import Recording, target
from neuralgnn.train.varpro.fit import Samples

logger = logging.getLogger(__name__)

Kind = Literal["drift", "finite_difference"]

_REFERENCE_FRAMES = 2000  # that medians and quartiles are taken over
_MORE_SEARCH, _MORE = 2, 3  # times as many frames of a finite difference
_BLOCK = 1024  # frames judged at a time


class FrameLoader:
    """Reads evenly spread frames of a recording and their targets, artefacts left out.

    Args:
        recording: The recording.
        kind: Target.
        device: Where samples go.
        reference: Frames that medians and quartiles are taken over.
        max_deviation: Interquartile ranges from its median that a neuron may be away; None: any.

    Attributes:
        n_left_out: Frames that were asked for and left out, by the number asked for.
    """

    def __init__(
        self,
        recording: Recording,
        kind: Kind,
        device: torch.device,
        *,
        reference: range,
        max_deviation: float | None = None,
    ) -> None:
        self.recording, self.device = recording, device
        self.kind: Kind = kind
        self.reference, self.max_deviation = reference, max_deviation
        self.n_left_out: dict[int, int] = {}

    def __call__(self, frames: range, n_frames: int) -> Samples:
        """Samples at evenly spread frames."""
        return self.at(self.chosen(frames, n_frames))

    def chosen(self, frames: range, n_frames: int) -> Int[np.ndarray, " T"]:
        """Numbers of evenly spread frames.

        Raises:
            ValueError: If fewer are left than each neuron's equation has unknown weights.
        """
        numbers = evenly(frames, n_frames)
        if self.max_deviation is None:
            return numbers
        blocks = np.split(numbers, range(_BLOCK, len(numbers), _BLOCK))
        kept = np.concatenate([block[self._near(block)] for block in blocks])
        self.n_left_out[n_frames] = len(numbers) - len(kept)
        logger.info("%d of %d frames are left out", len(numbers) - len(kept), len(numbers))
        needed = min(self.recording.n_neurons, n_frames // 2)
        if len(kept) <= needed:
            raise ValueError(
                f"trainer.max_deviation = {self.max_deviation:g} leaves {len(kept)} of "
                f"{len(numbers)} frames, of more than {needed} that are needed: raise it, or "
                "leave out neurons that are artefacts by themselves"
            )
        return kept

    def at(self, chosen: NDArray) -> Samples:
        """Samples at some frames, by their numbers."""
        x, y = self._read(chosen)
        return Samples(*(torch.from_numpy(v).to(self.device) for v in (x, y, chosen)))

    def _read(self, chosen: NDArray) -> tuple[Float[np.ndarray, "T N"], Float[np.ndarray, "T N"]]:
        return self.recording.activity(chosen), target(self.recording, chosen, kind=self.kind)

    def _near(self, chosen: NDArray) -> Bool[np.ndarray, " T"]:
        """Which frames have no neuron far out."""
        near = np.ones(len(chosen), dtype=bool)
        for values, (centre, reach) in zip(self._read(chosen), self._usual, strict=True):
            near &= (np.abs(values - centre) <= reach).all(axis=1)
        return near

    @cached_property
    def _usual(self) -> list[tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]]:
        """Median, and how far from it is allowed, of activity and rate of each neuron."""
        assert self.max_deviation is not None
        frames = evenly(self.reference, min(_REFERENCE_FRAMES, len(self.reference)))
        usual = []
        for values in self._read(frames):
            low, centre, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
            # A neuron that is silent half of the time has no range; it excludes nothing.
            reach = np.where(high > low, self.max_deviation * (high - low), np.inf)
            usual.append((centre, reach))
        return usual


def evenly(frames: range, n_frames: int) -> Int[np.ndarray, " T"]:
    """Numbers of so many frames, evenly spread from the first to the last."""
    return frames.start + np.linspace(0, len(frames) - 1, n_frames).round().astype(int)


def sample_sizes(
    trainer: VarproConfig, n_neurons: int, n_available: int, *, kind: Kind
) -> tuple[int, int]:
    """Frames of the search and of the solve, no more than there are.

    Of a finite difference, whose noise only frames average out, several times as many.

    Raises:
        ValueError: If there are not more frames than unknowns of one row.
    """
    unknowns = n_neurons + trainer.n_update_coefficients
    n_available -= 1  # the last one has no successor on this side of the split
    if n_available <= unknowns:
        raise ValueError(
            f"the training stretch has {n_available} frames for {unknowns} unknowns per neuron "
            f"({n_neurons} weights and {trainer.n_update_coefficients} spline coefficients): "
            "record longer or lower trainer.n_update_coefficients"
        )
    noisy = kind == "finite_difference"
    search = max(2000, min(3 * n_neurons, 6000), 3 * n_neurons // 2) * (
        _MORE_SEARCH if noisy else 1
    )
    solve = max(5000, min(8 * n_neurons, 16_000), 2 * n_neurons) * (_MORE if noisy else 1)
    search, solve = trainer.n_search_samples or search, trainer.n_samples or solve
    for key, wanted in (("n_search_samples", search), ("n_samples", solve)):
        if wanted <= unknowns:
            raise ValueError(
                f"trainer.{key} = {wanted} is not above the {unknowns} unknowns per neuron "
                f"({n_neurons} weights and {trainer.n_update_coefficients} spline coefficients)"
            )
    return min(search, n_available), min(solve, n_available)
