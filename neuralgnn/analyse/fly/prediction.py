r"""Predictions on held-out stimuli. Axes: T frames, N neurons, S shown neurons.

*One step*: the rate of change at every true state. *Rollout*: from the first state on by explicit
Euler with the true stimulus and no noise, the model's own state clamped to ± 100 as published.
Both are compared neuron by neuron over time; scores are summed block by block, nothing of the
length of the recording is held.
"""

__all__ = ["NeuronScores", "one_step_scores", "roll_out"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from neuralgnn.analyse.fly.evaluate import FastModel
from neuralgnn.data.recording import Recording
from neuralgnn.data.target import target

_BLOCK = 200
_CLAMP = np.float32(100.0)
_FLAT = 1e-8  # standard deviation below which no correlation exists


@dataclass(frozen=True)
class NeuronScores:
    """Of every neuron over time; NaN where the neuron is constant.

    Attributes:
        rmse: Root mean squared error [unit of what is compared].
        pearson: Correlation.
        unexplained: Share of the variance that is not predicted, 1 - R²; it keeps its digits
            where a correlation is rounded to one.
    """

    rmse: Float[np.ndarray, " N"]
    pearson: Float[np.ndarray, " N"]
    unexplained: Float[np.ndarray, " N"]

    def summary(self, name: str) -> dict[str, float]:
        """Mean and spread over neurons."""
        correlated = self.pearson[np.isfinite(self.pearson)]
        return {
            f"{name}_rmse": float(self.rmse.mean()),
            f"{name}_rmse_spread": float(self.rmse.std()),
            f"{name}_pearson": float(correlated.mean()) if len(correlated) else float("nan"),
            f"{name}_pearson_spread": float(correlated.std()) if len(correlated) else float("nan"),
        }


class _Moments:
    """Running sums over frames, about the first values."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, learned: Float32[np.ndarray, "T N"], true: Float32[np.ndarray, "T N"]) -> None:
        if not self.count:
            self.shift = true[0].astype(np.float64)
            self.sums = np.zeros((6, true.shape[1]))
        x, y = true - self.shift, learned - self.shift
        each = (x, y, x * x, y * y, x * y, (x - y) ** 2)
        self.sums += np.stack([values.sum(0) for values in each])
        self.count += len(x)

    def scores(self) -> NeuronScores:
        x, y, xx, yy, xy, error = self.sums / self.count
        xx, yy, xy = xx - x * x, yy - y * y, xy - x * y
        moving = (xx > _FLAT**2) & (yy > _FLAT**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            pearson = np.where(moving, xy / np.sqrt(xx * yy), np.nan)
            unexplained = np.where(moving, error / yy, np.nan)
        return NeuronScores(np.sqrt(error), pearson, unexplained)


def one_step_scores(fast: FastModel, test: Recording) -> NeuronScores:
    """Compares predicted and true rates of change at every frame but the last."""
    moments = _Moments()
    kind = "drift" if test.has_drift else "finite_difference"
    for frames in _blocks(test.n_frames - 1):
        x = test.activity(frames)
        moments.add(fast.rate(x, _external(test, frames, x)), target(test, frames, kind=kind))
    return moments.scores()


def roll_out(
    fast: FastModel, test: Recording, *, shown: Int[np.ndarray, " S"]
) -> tuple[NeuronScores, Float32[np.ndarray, "T S"]]:
    """Runs freely from the first frame; gives scores, and the activity of the shown neurons.

    Activity that diverges is clamped, so its scores are bad and finite.
    """
    moments = _Moments()
    traces = np.empty((test.n_frames - 1, len(shown)), dtype=np.float32)
    x = test.activity(slice(0, 1))
    dt = np.float32(test.dt)
    for frames in _blocks(test.n_frames - 1):
        true = test.activity(frames)
        external = _external(test, frames, true)
        predicted = np.empty_like(true)
        for row in range(len(true)):
            predicted[row] = x[0]
            x = x + dt * fast.rate(x, external[row : row + 1])
            x = np.clip(np.nan_to_num(x), -_CLAMP, _CLAMP)
        moments.add(predicted, true)
        traces[frames.start : frames.stop] = predicted[:, shown]
    return moments.scores(), traces


def _blocks(n_frames: int) -> list[range]:
    return [range(at, min(at + _BLOCK, n_frames)) for at in range(0, n_frames, _BLOCK)]


def _external(
    recording: Recording, frames: range, like: Float32[np.ndarray, "T N"]
) -> Float32[np.ndarray, "T N"]:
    external = recording.external_input(frames)
    return np.zeros_like(like) if external is None else external
