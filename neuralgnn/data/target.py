"""What a fit predicts: the rate of change of activity. Axes: T frames, N neurons."""

__all__ = ["target"]

from typing import Literal

import numpy as np
from jaxtyping import Float32, Int

from neuralgnn.data.recording import Recording

_BLOCK = 2048  # frames held in float64 at a time


def target(
    recording: Recording,
    frames: Int[np.ndarray, " T"] | range,
    *,
    kind: Literal["drift", "finite_difference"],
) -> Float32[np.ndarray, "T N"]:
    r"""The rate of change dx/dt at the given frames [activity/time unit].

    ``finite_difference`` is :math:`(x_{t+1} - x_t) / \Delta t` of the observed activity, which
    any recording gives; without noise it equals the drift of an Euler simulation up to float32
    rounding of x, some ``1e-7 |x| / dt``. ``drift`` is what the simulator stored.

    Args:
        recording: The recording.
        frames: Frame numbers t.
        kind: Which of the two.

    Raises:
        IndexError: If t, or t + 1 for the finite difference, is outside the recording.
        ValueError: If the recording has no drift, or ``kind`` is unknown.
    """
    if kind == "drift":
        return recording.drift(frames)
    if kind != "finite_difference":
        raise ValueError(f"target {kind!r}, expected 'drift' or 'finite_difference'")
    frames = np.asarray(frames)
    if len(frames) and frames.max() + 1 >= recording.n_frames:
        raise IndexError(
            f"the finite difference at frame {frames.max()} needs frame {frames.max() + 1}, but "
            f"the recording has frames 0..{recording.n_frames - 1}; leave the last one out"
        )
    rate = np.empty((len(frames), recording.n_neurons), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        now = frames[start : start + _BLOCK]
        both, position = np.unique(np.stack([now, now + 1]), return_inverse=True)
        x = recording.activity(both).astype(np.float64)
        before, after = position.reshape(2, -1)
        rate[start : start + _BLOCK] = (x[after] - x[before]) / recording.dt
    return rate
