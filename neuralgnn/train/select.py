"""The checkpoint that predicts best. Axes: T frames, N neurons."""

__all__ = ["select"]

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.data import Recording, read_json, target
from neuralgnn.models import AssemblyGNN, SparseGNN, load_model, load_sparse_model
from neuralgnn.models.hidden_stimulus import HiddenStimulus
from neuralgnn.models.place import place

_FRAMES = 500
_BLOCK = 64  # frames evaluated at a time


def select(
    recording: Recording,
    fit_dir: Path | str,
    *,
    target_kind: Literal["drift", "finite_difference"],
    validation_fraction: float,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> dict[str, Any]:
    """Returns which checkpoint has the smallest one-step error on held-out frames.

    The error is the root mean square of predicted minus observed rate of change over the same
    evenly spread frames for all, none of which was trained on. Of equal ones the later wins.

    Args:
        recording: Activity that was fitted; its truth is not opened.
        fit_dir: Folder that :func:`neuralgnn.train.train` wrote.
        target_kind: What was fitted.
        validation_fraction: Share of the frames at the end that was held out.
        device: Where to compute.

    Returns:
        ``file``, ``step``, ``error`` [activity/time unit] of the winner; ``errors``: the same
        of every checkpoint; ``n_frames``; ``target``.

    Raises:
        FileNotFoundError: If there is no finished fit in the folder.
        ValueError: If nothing is held out, a checkpoint is damaged, has other neurons or was
            fitted to another recording, or no checkpoint predicts finite values.
    """
    fit_dir, where = Path(fit_dir), place(device)
    listed = read_json(fit_dir / "training.json")["checkpoints"]
    frames = _held_out(recording, validation_fraction, kind=target_kind)
    x = torch.from_numpy(recording.activity(frames)).to(where)
    y = torch.from_numpy(target(recording, frames, kind=target_kind)).to(where)
    load = load_model if recording.graph is None else load_sparse_model
    errors = []
    for entry in sorted(listed, key=lambda entry: entry["step"]):
        model, meta = load(fit_dir / entry["file"], where)
        if model.n_neurons != recording.n_neurons:
            raise ValueError(
                f"{fit_dir / entry['file']} has {model.n_neurons} neurons, the recording "
                f"{recording.path} has {recording.n_neurons}: is it the fit of another recording?"
            )
        if meta["provenance"].get("recording", recording.digest) != recording.digest:
            raise ValueError(
                f"{fit_dir / entry['file']} was fitted to another recording than {recording.path} "
                "is now; fit again, or give the recording that was fitted"
            )
        inputs = _external(recording, frames, meta["extra"], x, y).to(where)
        error = _one_step_error(model, x, inputs, y, frames)
        errors.append({"file": entry["file"], "step": meta["step"], "error": error})
    finite = [entry for entry in errors if np.isfinite(entry["error"])]
    if not finite:
        raise ValueError(f"none of the {len(errors)} checkpoints in {fit_dir} predicts finitely")
    best = min(finite, key=lambda entry: (entry["error"], -entry["step"]))
    return {**best, "errors": errors, "n_frames": len(frames), "target": target_kind}


def _held_out(recording: Recording, validation_fraction: float, *, kind: str) -> np.ndarray:
    _, held_out = recording.split(validation_fraction)
    if kind == "finite_difference":
        held_out = held_out[:-1]  # the last one has no successor
    if not held_out:
        raise ValueError(
            f"validation_fraction = {validation_fraction:g} of {recording.n_frames} frames leaves "
            "none to select on; hold out more"
        )
    chosen = np.linspace(0, len(held_out) - 1, min(_FRAMES, len(held_out))).round().astype(int)
    return held_out.start + chosen


def _external(
    recording: Recording,
    frames: Int[np.ndarray, " T"],
    extra: dict[str, Any],
    x: Float[Tensor, "T N"],
    y: Float[Tensor, "T N"],
) -> Float[Tensor, "T N"]:
    """What drives the network: what the fit found where that was not given."""
    if "hidden_stimulus" in extra:
        found = HiddenStimulus.of(extra["hidden_stimulus"])
        return torch.from_numpy(found.external_input(x.cpu().numpy(), y.cpu().numpy()))
    external = recording.external_input(frames) if recording.graph is not None else None
    return torch.zeros_like(x) if external is None else torch.from_numpy(external)


@torch.no_grad()
def _one_step_error(
    model: AssemblyGNN | SparseGNN,
    x: Float[Tensor, "T N"],
    external: Float[Tensor, "T N"],
    y: Float[Tensor, "T N"],
    frames: Int[np.ndarray, " T"],
) -> float:
    # A field is not known at held-out times: neurons that it drives do not count.
    counted = torch.ones(model.n_neurons, dtype=torch.bool, device=x.device)
    if isinstance(model, AssemblyGNN) and model.field is not None:
        counted[model.field.neurons] = False
    total = 0.0
    parts = (x, external, y, torch.from_numpy(frames))
    for some, outside, rate, at in zip(*(part.split(_BLOCK) for part in parts), strict=True):
        graph = isinstance(model, SparseGNN)
        predicted = model(some, outside) if graph else model(some, frames=at)
        total += float((predicted - rate)[:, counted].double().square().sum())
    return (total / y[:, counted].numel()) ** 0.5
