"""Weights, functions and latent vectors over the checkpoints of a fit. Axes: C checkpoints."""

__all__ = ["montage_dataset", "pick_checkpoints"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from neuralgnn.analyse.gauge import Canonical, canonical
from neuralgnn.analyse.weights import compare_weights
from neuralgnn.models.checkpoint import load_model

_MAX_NEURONS = 2000  # whose weights are kept: eight matrices of 8000 neurons would be 2 GB


def pick_checkpoints(checkpoints: Sequence[Path], *, n_shown: int) -> list[Path]:
    """The three first, the last, and evenly spread ones between: most happens early."""
    if len(checkpoints) <= n_shown:
        return list(checkpoints)
    n_first = min(3, max(n_shown - 1, 0))
    rest = np.linspace(n_first, len(checkpoints) - 1, n_shown - n_first + 1)[1:]
    chosen = [*range(n_first), *rest.round().astype(int)]
    return [checkpoints[place] for place in chosen]


def montage_dataset(
    checkpoints: Sequence[Path],
    activity: Float[np.ndarray, "T N"],
    grid: Float[np.ndarray, " G"],
    *,
    time_unit: str,
    true: Canonical | None = None,
    per_sender: bool | None = None,
) -> xr.Dataset:
    """What ``montage.zarr`` holds: every checkpoint in the canonical gauge.

    Args:
        checkpoints: Files in the order of training.
        activity: Sample of the visited activity.
        grid: Activities at which functions are tabulated.
        time_unit: The recording's unit of time.
        true: The truth in the same gauge, for R² and slope.
        per_sender: Whether each sender has a scale of its own; None: if the model's psi has.
    """
    frames = [_one(path, activity, grid, true=true, per_sender=per_sender) for path in checkpoints]
    names = {
        "embedding": (("neuron", "latent"), "latent vector a", "1"),
        "learned_update": (
            ("neuron", "activity"), "learned update function", f"activity/{time_unit}",
        ),
        "learned_transfer": (("activity",), "learned transfer function", "1"),
        "learned_weight": (("post", "pre"), "learned weight", f"activity/{time_unit}"),
        "r2": ((), "R² of the weights", "1"),
        "pearson2": ((), "squared correlation of the weights", "1"),
        "slope": ((), "slope of the weights", "1"),
    }  # fmt: skip
    variables = {
        name: (
            ("checkpoint", *dims),
            np.stack([frame[name] for frame in frames]),
            {"long_name": title, "units": units},
        )
        for name, (dims, title, units) in names.items()
        if name in frames[0]
    }
    steps = np.array([frame["step"] for frame in frames], dtype=np.int64)
    shown = _shown(len(frames[0]["embedding"]))
    return xr.Dataset(
        variables,
        coords={
            "checkpoint": ("checkpoint", steps, {"long_name": "training step", "units": "1"}),
            "activity": ("activity", grid, {"long_name": "activity x", "units": "activity"}),
            **({} if shown is None else {"post": shown, "pre": shown}),
        },
    )


def _one(
    path: Path,
    activity: Float[np.ndarray, "T N"],
    grid: Float[np.ndarray, " G"],
    *,
    true: Canonical | None,
    per_sender: bool | None,
) -> dict[str, Any]:
    model, about = load_model(path)
    fitted = canonical(model, activity, per_sender=per_sender)
    shown = _shown(model.n_neurons)
    weight = fitted.weight if shown is None else fitted.weight[np.ix_(shown, shown)]
    scores = {} if true is None else compare_weights(fitted.weight, true.weight)
    return scores | {
        "step": about["step"],
        "embedding": model.embedding.detach().numpy().copy(),
        "learned_update": fitted.update_curves(grid).astype(np.float32),
        # One curve per checkpoint; of functions that differ between senders, their mean.
        "learned_transfer": fitted.transfer_curves(grid).mean(axis=0).astype(np.float32),
        "learned_weight": weight.astype(np.float32),
    }


def _shown(n_neurons: int) -> np.ndarray | None:
    """Neurons whose weights are kept; None: all."""
    if n_neurons <= _MAX_NEURONS:
        return None
    return np.linspace(0, n_neurons - 1, _MAX_NEURONS).astype(np.int64)
