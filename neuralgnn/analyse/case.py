"""What the parts of an analysis share: recording, model and truth in one gauge."""

__all__ = ["Case", "finite", "make_case", "placed"]

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.gauge import Canonical, canonical, canonical_truth
from neuralgnn.analyse.rollout import Drift
from neuralgnn.analyse.truth import Truth
from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.data.recording import Recording
from neuralgnn.models.assembly import AssemblyGNN

_SAMPLE = 10_000  # frames that ranges, densities and covariances are taken over


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fit to be judged.

    Attributes:
        recording: The recording that was fitted.
        model: The fitted model, a copy on ``device``.
        config: The analysis section.
        activity: Evenly spaced frames of the training stretch.
        n_train: Frames of the training stretch.
        held_out: The other frames.
        fitted: The model in the canonical gauge.
        truth: What the simulation knows; None for a recording without truth.
        true: The truth in the same gauge.
        true_drift: True rate of change on ``device``.
        per_sender: Whether scales of psi are those of each sender.
        device: Where to compute.
        seed: Seed of what is drawn.
    """

    recording: Recording
    model: AssemblyGNN
    config: AnalysisConfig
    activity: Float[np.ndarray, "T N"]
    n_train: int
    held_out: range
    fitted: Canonical
    truth: Truth | None
    true: Canonical | None
    true_drift: Drift | None
    per_sender: bool
    device: torch.device
    seed: int

    @property
    def time_unit(self) -> str:
        """The recording's unit of time."""
        return str(self.recording.attrs.get("time_unit", "time unit"))

    @property
    def types(self) -> Int[np.ndarray, " N"] | None:
        """True types, where they are known."""
        return None if self.truth is None else self.truth.types


def make_case(
    recording: Recording,
    truth: xr.Dataset | None,
    model: AssemblyGNN,
    config: AnalysisConfig,
    *,
    validation_fraction: float,
    true_drift: Drift | None,
    seed: int,
    device: str,
) -> Case:
    """Reads a sample of the training activity and brings model and truth to the same gauge.

    Raises:
        ValueError: If model, truth and recording have different numbers of neurons.
    """
    _check_sizes(recording, truth, model)
    train, held_out = recording.split(validation_fraction)
    activity = recording.activity(train[:: -(-len(train) // _SAMPLE)])
    model = copy.deepcopy(model).to(device).eval()
    known = None if truth is None else Truth.from_dataset(truth)
    # If psi differs between senders in one description, the other is scaled per sender too.
    per_sender = model.transfer_input != "activity" or (
        known is not None and known.kind != "shared"
    )
    return Case(
        recording=recording,
        model=model,
        config=config,
        activity=activity,
        n_train=len(train),
        held_out=held_out,
        fitted=canonical(model, activity, per_sender=per_sender),
        truth=known,
        true=None if known is None else canonical_truth(known, activity, per_sender=per_sender),
        true_drift=None if true_drift is None else placed(true_drift, device=device),
        per_sender=per_sender,
        device=torch.device(device),
        seed=seed,
    )


def placed(drift: Drift, **where: Any) -> Drift:
    """The same rate of change on a device or in a precision, where it knows how to move."""
    move = getattr(drift, "to", None)
    return drift if move is None else move(**where)


def finite(value: float | None) -> float | None:
    """The number if there is one and it is finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def _check_sizes(recording: Recording, truth: xr.Dataset | None, model: AssemblyGNN) -> None:
    sizes = {"recording": recording.n_neurons, "model": model.n_neurons}
    if truth is not None:
        sizes["truth"] = truth.sizes["post"]
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"numbers of neurons differ: {found}. Is it a fit of this recording?")
