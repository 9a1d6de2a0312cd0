r"""One-step predictions on held-out time. Axes: T frames, N neurons.

The residual :math:`r_i(t) = y_i(t) - \hat y_i(t)` of the rate of change has two parts. What the
model gets wrong is a function of the state and changes as smoothly as the activity; noise in the
target is independent from frame to frame. The third difference of the residuals of four
consecutive frames, :math:`r(t) - 3 r(t+1) + 3 r(t+2) - r(t+3)`, has twenty times the variance of
the noise, and next to nothing of what is smooth.
"""

__all__ = ["OneStep", "consecutive_frames", "one_step"]

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from neuralgnn.analyse.evaluate import drift_at
from neuralgnn.data.recording import Recording
from neuralgnn.data.target import target
from neuralgnn.models.assembly import AssemblyGNN

_RUN = 4  # consecutive frames of a third difference


@dataclass(frozen=True)
class OneStep:
    """Errors of the predicted rate of change on held-out frames.

    Attributes:
        r2: 1 - SSE / SST over all frames and neurons, SST about the mean of each neuron.
        rmse: Root mean squared error [activity/time unit].
        residual_variance: Mean squared residual of each neuron [(activity/time unit)²].
        noise_variance: Its part that is independent from frame to frame.
        drift_r2: ``r2`` against the noise-free rate of change; None if it was not stored.
        drift_rmse: ``rmse`` against it.
    """

    r2: float
    rmse: float
    residual_variance: Float[np.ndarray, " N"]
    noise_variance: Float[np.ndarray, " N"]
    drift_r2: float | None
    drift_rmse: float | None


def one_step(
    model: AssemblyGNN,
    recording: Recording,
    held_out: range,
    *,
    kind: Literal["drift", "finite_difference"],
    n_frames: int = 2000,
) -> OneStep:
    """Compares predicted and observed rate of change on short runs of held-out frames.

    Args:
        model: The model.
        recording: The recording.
        held_out: Frames that the fit did not see; of a model with a field, frames of the training
            stretch, as a field is known there only.
        kind: Which rate of change the fit was made for.
        n_frames: At most so many frames are used.

    Raises:
        ValueError: If there are fewer than five held-out frames.
    """
    frames = consecutive_frames(held_out, n_frames=n_frames)
    predicted = drift_at(model, recording.activity(frames), frames)
    observed = target(recording, frames, kind=kind).astype(np.float64)
    residual = observed - predicted
    drift_r2 = drift_rmse = None
    if recording.has_drift:
        drift = recording.drift(frames).astype(np.float64)
        drift_r2, drift_rmse = _scores(drift, drift - predicted)
    r2, rmse = _scores(observed, residual)
    third_difference = np.diff(residual.reshape(-1, _RUN, recording.n_neurons), n=3, axis=1)[:, 0]
    return OneStep(
        r2,
        rmse,
        residual_variance=(residual**2).mean(axis=0),
        noise_variance=(third_difference**2).mean(axis=0) / 20,
        drift_r2=drift_r2,
        drift_rmse=drift_rmse,
    )


def consecutive_frames(frames: range, *, n_frames: int) -> Int[np.ndarray, " T"]:
    """Evenly spread runs of four consecutive frames whose finite difference exists.

    Raises:
        ValueError: If there are fewer than five frames.
    """
    if len(frames) <= _RUN:
        raise ValueError(
            f"{len(frames)} frames are held out, at least {_RUN + 1} are needed; is the "
            "recording long enough for validation_fraction?"
        )
    n_runs = max(1, min(n_frames, len(frames) - 1) // _RUN)
    first = np.linspace(0, len(frames) - 1 - _RUN, n_runs).round().astype(np.int64)
    return (frames.start + first[:, None] + np.arange(_RUN)).reshape(-1)


def _scores(
    observed: Float[np.ndarray, "T N"], residual: Float[np.ndarray, "T N"]
) -> tuple[float, float]:
    total = ((observed - observed.mean(axis=0)) ** 2).sum()
    error = (residual**2).sum()
    r2 = 1 - error / total if total > 0 else float("nan")
    return float(r2), float(np.sqrt(error / residual.size))
