"""How well and how soon the trainers and simple baselines find W. Axes: T frames, N neurons."""

__all__ = ["BASELINES", "LEVELS", "fit_baseline", "fit_model"]

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from neuralgnn.analyse import canonical, compare_weights
from neuralgnn.analyse.baselines import correlation, known_transfer, ridge_var
from neuralgnn.analyse.gauge import Function, canonical_truth, find_gauge, visited_range
from neuralgnn.analyse.truth import Truth
from neuralgnn.config import FitConfig
from neuralgnn.data import Recording, open_recording, open_truth, read_json, target
from neuralgnn.data.cost import peak_mib
from neuralgnn.models import load_model
from neuralgnn.train import train

LEVELS = (0.9, 0.99, 0.9999)

_GAUGE_FRAMES = 2000
# What each baseline takes psi to be; a correlation has no unit that a scale could be applied to.
_TRANSFERS: dict[str, Function | None] = {
    "correlation": None,
    "ridge VAR": lambda x: x,
    "known psi": np.tanh,
}
BASELINES = tuple(_TRANSFERS)


def fit_model(path: Path, fit: FitConfig, *, out: Path, seed: int) -> dict[str, Any]:
    """Fits a recording with a trainer and judges every checkpoint.

    Args:
        path: A simulated recording.
        fit: Target, model, trainer.
        out: Folder for the fit.
        seed: Seed of the fit.

    Returns:
        ``seconds``, ``peak_mib``, ``n_steps`` of the fit, ``n_samples`` of varpro's last solve;
        ``r2``, ``pearson2`` of the last checkpoint; ``reached``: seconds to each of
        :data:`LEVELS` by its text, None if never.
    """
    recording = open_recording(path)
    train(recording, fit, out=out, state=out / "state", seed=seed, progress=False)
    training = read_json(out / "training.json")
    activity, truth = _gauge_sample(recording, fit), _truth(path)
    true = canonical_truth(truth, activity).weight
    scores, moments = [], []
    for entry in training["checkpoints"]:
        model, meta = load_model(out / entry["file"])
        per_sender = truth.kind != "shared" or None
        learned = canonical(model, activity, per_sender=per_sender).weight
        scores.append(compare_weights(learned, true))
        # A step costs the same throughout; what came before the first is in no loop.
        moments.append(training["seconds"] * meta["step"] / training["n_steps"])
    reached = {
        str(level): next(
            (at for at, score in zip(moments, scores, strict=True) if score["r2"] >= level), None
        )
        for level in LEVELS
    }
    kept = {key: training.get(key) for key in ("seconds", "peak_mib", "n_steps", "n_samples")}
    return {**kept, "r2": scores[-1]["r2"], "pearson2": scores[-1]["pearson2"], "reached": reached}


def fit_baseline(path: Path, fit: FitConfig, *, method: str, n_samples: int) -> dict[str, Any]:
    """Finds W without a network and judges it.

    Args:
        path: A simulated recording.
        fit: Whose target and training stretch are taken.
        method: One of :data:`BASELINES`.
        n_samples: Frames, evenly spread over the training stretch.

    Returns:
        ``seconds``, ``peak_mib``, ``pearson2``, and ``r2``, None where W has no unit.
    """
    recording = open_recording(path)
    activity, truth = _gauge_sample(recording, fit), _truth(path)
    training, _ = recording.split(fit.validation_fraction)
    frames = np.linspace(0, len(training) - 2, n_samples).round().astype(int)
    x, y = recording.activity(frames), target(recording, frames, kind=fit.target.kind)
    began = time.perf_counter()
    weight = _solve(method, x, y)
    seconds, peak = time.perf_counter() - began, peak_mib()
    transfer = _TRANSFERS[method]
    if transfer is not None:
        weight *= find_gauge(transfer, *visited_range(activity, per_sender=False)).scale
    scores = compare_weights(weight, canonical_truth(truth, activity).weight)
    r2 = None if transfer is None else scores["r2"]
    return {"seconds": seconds, "peak_mib": peak, "r2": r2, "pearson2": scores["pearson2"]}


def _solve(
    method: str, x: Float[np.ndarray, "T N"], y: Float[np.ndarray, "T N"]
) -> Float[np.ndarray, "N N"]:
    solvers: dict[str, Callable[[], np.ndarray]] = {
        "correlation": lambda: correlation(x),
        "ridge VAR": lambda: ridge_var(x, y),
        "known psi": lambda: known_transfer(x, y),
    }
    return solvers[method]()


def _gauge_sample(recording: Recording, fit: FitConfig) -> Float[np.ndarray, "T N"]:
    training, _ = recording.split(fit.validation_fraction)
    return recording.activity(training[:: -(-len(training) // _GAUGE_FRAMES)])


def _truth(path: Path) -> Truth:
    truth = open_truth(path)
    if truth is None:
        raise ValueError(f"{path} has no truth; simulate it")
    return Truth.from_dataset(truth)
