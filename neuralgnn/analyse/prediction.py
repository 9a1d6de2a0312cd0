"""Free-running predictions of one fit: of the recorded network and of changed ones."""

__all__ = ["predict", "predict_changed"]

import copy
import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float32, Int
from torch import Tensor

from neuralgnn.analyse.case import Case, finite, placed
from neuralgnn.analyse.changed import NetworkChange, learned_variant, published_variant
from neuralgnn.analyse.evaluate import drift_at
from neuralgnn.analyse.labels import about
from neuralgnn.analyse.one_step import consecutive_frames
from neuralgnn.analyse.rollout import (
    Drift,
    horizon_frames,
    learned_drift,
    lyapunov_exponents,
    rollout,
    rollout_dataset,
    start_frames,
)
from neuralgnn.analyse.weights import published_scores

_log = logging.getLogger(__name__)


def predict(case: Case, *, rate_error: float) -> tuple[xr.Dataset, dict[str, float]]:
    """Rolls out the model beside the true network; without one, beside the recording.

    Args:
        case: The fit.
        rate_error: Root mean squared one-step error, for the horizon where there is no truth.
    """
    starts, n_frames = _starts(case)
    x0 = _states(case, starts)
    learned = _run(case, learned_drift(case.model), x0, n_frames)
    if case.true_drift is None:
        windows = [case.recording.activity(range(s, s + n_frames + 1)) for s in starts.tolist()]
        true, compared = np.stack(windows), "recording"
    else:
        true, compared = _run(case, case.true_drift, x0, n_frames), "true network"
    dataset = _dataset(case, learned, true, starts)
    exponents, horizon = _predictability(case, x0, rate_error=rate_error)
    attrs = about("largest Lyapunov exponent", f"1/{case.time_unit}")
    dataset["lyapunov"] = ("start", exponents, attrs)
    dataset.attrs |= {
        "lyapunov": finite(exponents.mean()),
        "horizon_frames": finite(horizon),
        "compared_with": compared,
        "lyapunov_of": "true network" if case.true_drift is not None else "model",
    }
    scores = {"lyapunov_exponent": float(exponents.mean()), "horizon_frames": horizon}
    return dataset, scores | _scores(dataset, prefix="rollout", with_spread=True)


def predict_changed(
    case: Case,
    name: str,
    change: NetworkChange,
    *,
    true_factory: Callable[..., Drift],
    representatives: Mapping[int, int],
) -> tuple[xr.Dataset, dict[str, float]]:
    """Rolls out a changed network by each variant beside the true one changed alike.

    Args:
        case: The fit, with truth.
        name: Name of the changed network.
        change: How it is changed.
        true_factory: Gives the true rate of change for other ``weight`` and ``types``.
        representatives: For each true type the neuron whose latent vector stands for it.
    """
    starts, n_frames = _starts(case)
    x0 = _states(case, starts)
    datasets, scores, horizon = [], {}, {}
    variants = _variants(case, change, representatives)
    for variant, (drift, weight) in variants.items():
        true_drift = placed(
            true_factory(weight=weight, types=change.types), device=str(case.device)
        )
        learned, true = _run(case, drift, x0, n_frames), _run(case, true_drift, x0, n_frames)
        dataset = _dataset(case, learned, true, starts)
        horizon = horizon or _horizon_of_changed(case, drift, true_drift, true[0])
        attrs = about("true weight of the changed network", "1")
        dataset["weight"] = (("post", "pre"), weight.astype(np.float32), attrs)
        scores |= _scores(dataset, prefix=f"changed_{name}_{variant}")
        datasets.append(dataset)
    along = xr.DataArray(list(variants), dims="variant", name="variant")
    together = xr.concat(
        datasets, along, data_vars="all", coords="minimal", compat="override", join="exact",
        combine_attrs="override",
    )  # fmt: skip
    types = ("neuron", change.types.astype(np.int64), about("type in the changed network", "1"))
    fractions = [float(share) for share in change.type_fractions]
    return (
        together.assign_coords(type=types).assign_attrs(
            filling=change.filling, type_fractions=fractions, **horizon
        ),
        scores,
    )


def _variants(
    case: Case, change: NetworkChange, representatives: Mapping[int, int]
) -> dict[str, tuple[Drift, Float[np.ndarray, "N N"]]]:
    """The model's rate of change and the true weights of each variant."""
    assert case.truth is not None  # a network is changed by what is known of it
    types = [int(kind) for kind in change.types]
    sources = np.array([representatives[kind] for kind in types])
    drift = learned_variant(case.model, case.fitted, kept=change.kept, sources=sources)
    variants = {"learned": (drift, case.truth.weight * change.kept)}
    if change.new_weight is not None:
        rng = np.random.default_rng(case.seed)
        members = {kind: np.flatnonzero(case.truth.types == kind) for kind in set(types)}
        raw = case.model.connectivity().detach().cpu().numpy()
        drift = published_variant(
            case.model,
            case.fitted,
            new_weight=change.new_weight,
            scale=published_scores(raw, case.truth.weight)["slope"],
            sources=np.array([rng.choice(members[kind]) for kind in types]),
        )
        variants["published"] = (drift, change.new_weight)
    return variants


def _starts(case: Case) -> tuple[Int[np.ndarray, " S"], int]:
    """Frames that rollouts start from, and their length, cut to what is held out."""
    wanted = case.config.rollout.n_frames
    n_frames = min(wanted, len(case.held_out) - 1)
    if n_frames < wanted:
        _log.warning("rollouts of %d instead of %d frames: no more held out", n_frames, wanted)
    n_starts = case.config.rollout.n_starts
    return start_frames(case.held_out, n_starts=n_starts, n_frames=n_frames), n_frames


def _states(case: Case, frames: Int[np.ndarray, " S"]) -> Float[Tensor, "S N"]:
    return torch.tensor(case.recording.activity(frames), device=case.device)


def _run(
    case: Case, drift: Drift, x0: Float[Tensor, "S N"], n_frames: int
) -> Float32[np.ndarray, "S F N"]:
    return rollout(drift, x0, n_frames=n_frames, dt=case.recording.dt)


def _dataset(
    case: Case,
    learned: Float32[np.ndarray, "S F N"],
    true: Float32[np.ndarray, "S F N"],
    starts: Int[np.ndarray, " S"],
) -> xr.Dataset:
    return rollout_dataset(
        learned,
        true,
        starts=starts,
        report_frames=case.config.rollout.report_frames,
        dt=case.recording.dt,
        time_unit=case.time_unit,
    )


def _predictability(
    case: Case, x0: Float[Tensor, "S N"], *, rate_error: float
) -> tuple[Float[np.ndarray, " S"], float]:
    """Lyapunov exponents of the truth (else of the model), and the horizon they set."""
    if case.true_drift is None:
        drift = learned_drift(copy.deepcopy(case.model).double())
    else:
        drift = placed(case.true_drift, device=str(case.device), dtype=torch.float64)
        frames = consecutive_frames(case.held_out, n_frames=500)
        x = case.recording.activity(frames)
        with torch.no_grad():
            true = drift(torch.tensor(x, device=case.device).double()).cpu().numpy()
        rate_error = float(np.sqrt(((drift_at(case.model, x) - true) ** 2).mean()))
    return _horizon(case, drift, x0, rate_error=rate_error, visited=case.activity)


def _horizon(
    case: Case,
    drift: Drift,
    x0: Float[Tensor, "S N"],
    *,
    rate_error: float,
    visited: Float[np.ndarray, "T N"],
) -> tuple[Float[np.ndarray, " S"], float]:
    """Lyapunov exponents of a network, and the frames until an error of the rate fills it."""
    exponents = lyapunov_exponents(
        drift, x0.double(), dt=case.recording.dt, n_frames=case.config.lyapunov_frames
    )
    horizon = horizon_frames(
        rate_error,
        spread=float(np.sqrt(visited.var(axis=1, dtype=np.float64).mean())),
        lyapunov=float(exponents.mean()),
        dt=case.recording.dt,
    )
    return exponents, horizon


def _horizon_of_changed(
    case: Case, learned: Drift, true: Drift, visited: Float32[np.ndarray, "F N"]
) -> dict[str, float | None]:
    """Attributes that say how far a changed network can be predicted at all.

    Args:
        case: The fit.
        learned: The changed model's rate of change.
        true: The changed true network's.
        visited: States of the changed true network, in order of time.
    """
    late = torch.tensor(visited[len(visited) // 2 :], device=case.device)
    with torch.no_grad():
        error = float((learned(late) - true(late)).double().square().mean().sqrt())
    exponents, horizon = _horizon(
        case,
        placed(true, device=str(case.device), dtype=torch.float64),
        late[-1:],
        rate_error=error,
        visited=late.cpu().numpy(),
    )
    return {"lyapunov": finite(exponents.mean()), "horizon_frames": finite(horizon)}


def _scores(dataset: xr.Dataset, *, prefix: str, with_spread: bool = False) -> dict[str, float]:
    """Median over starts at the report frames, and the spread between the quartiles."""
    scores = {}
    for frame in dataset["report_frame"].values.tolist():
        r2 = dataset["r2"].sel(frame=frame).values
        scores[f"{prefix}_r2_{frame}"] = float(np.median(r2))
        if with_spread:
            with np.errstate(invalid="ignore"):  # starts that diverged are minus infinity
                low, high = np.quantile(r2, [0.25, 0.75])
                scores[f"{prefix}_r2_{frame}_spread"] = float(high - low)
    return scores
