"""Everything that is computed from one fitted model, in one call."""

__all__ = ["analyse"]

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.case import Case, finite, make_case
from neuralgnn.analyse.changed import NetworkChange
from neuralgnn.analyse.clusters import (
    cluster_types,
    embedding_dataset,
    medoids,
    published_clusters,
    type_to_cluster,
)
from neuralgnn.analyse.functions import (
    functions_dataset,
    time_constants,
    transfer_error,
    update_error,
)
from neuralgnn.analyse.gauge import published_weights
from neuralgnn.analyse.identifiability import (
    SentCovariance,
    identifiability_dataset,
    identifiable_directions,
    sent_covariance,
)
from neuralgnn.analyse.labels import about
from neuralgnn.analyse.montage import montage_dataset, pick_checkpoints
from neuralgnn.analyse.one_step import OneStep, one_step
from neuralgnn.analyse.prediction import predict, predict_changed
from neuralgnn.analyse.projection import project_curves
from neuralgnn.analyse.rollout import Drift
from neuralgnn.analyse.structure import graph_part, spectrum_part, symbolic_part
from neuralgnn.analyse.weights import identifiable_r2, off_diagonal_variance, weights_dataset
from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.data.recording import Recording
from neuralgnn.models.assembly import AssemblyGNN

_log = logging.getLogger(__name__)

Part = tuple[xr.Dataset, dict[str, float]]


def analyse(
    recording: Recording,
    truth: xr.Dataset | None,
    model: AssemblyGNN,
    config: AnalysisConfig,
    *,
    target_kind: Literal["drift", "finite_difference"],
    validation_fraction: float,
    true_drift: Drift | None = None,
    true_factory: Callable[..., Drift] | None = None,
    changes: Mapping[str, NetworkChange] | None = None,
    checkpoints: Sequence[Path] = (),
    seed: int = 0,
    device: str = "cpu",
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, float | None]]]:
    """Judges a fitted model by every measure that the recording permits.

    Args:
        recording: The recording that was fitted.
        truth: What :func:`neuralgnn.data.open_truth` gives; None for a recording without truth:
            comparisons are left out, and rollouts are compared with the recorded activity.
        model: The fitted model; it is not changed.
        config: The analysis section.
        target_kind: Which rate of change the fit was made for.
        validation_fraction: Share of the frames at the end that the fit did not see.
        true_drift: True rate of change of tensors ``(…, N)``; it is moved by its ``to(device=…,
            dtype=…)`` if it has one.
        true_factory: Gives the true rate of change for other ``weight`` and ``types``.
        changes: Changed networks by name; they need ``truth`` and ``true_factory``.
        checkpoints: Checkpoint files of the fit in order, for the montage; may be empty.
        seed: Seed of what is drawn: rows for clustering, neurons of a type.
        device: Where to compute.

    Returns:
        Datasets by name of their store (``weights``, ``functions``, ``embedding``, ``rollout``,
        ``identifiability``, ``spectrum``, ``graph``, ``symbolic``, ``montage``, ``changed_…``),
        and for each metric its ``value`` and the ``ceiling`` that the recording sets, None where
        there is no such number.

    Raises:
        ValueError: If model, truth and recording have different numbers of neurons, or the
            held-out stretch is too short.
    """
    case = make_case(
        recording,
        truth,
        model,
        config,
        validation_fraction=validation_fraction,
        true_drift=true_drift,
        seed=seed,
        device=device,
    )
    _log.info("one-step error, identifiability, weights")
    step = one_step(case.model, recording, case.held_out, kind=target_kind)
    sent = sent_covariance(case.fitted.transfer, case.activity, per_sender=case.per_sender)
    parts: dict[str, Part] = {
        "identifiability": _identifiability(case, step, sent),
        "weights": _weights(case, step, sent),
    }
    _log.info("types and functions")
    settings = config.clusters.model_dump(exclude={"published_threshold"})
    labels, curves = cluster_types(case.fitted, case.activity, **settings, seed=seed)
    parts["embedding"] = _embedding(case, labels, curves)
    parts["functions"] = _functions(case)
    parts["symbolic"] = symbolic_part(case, labels)
    _log.info("spectra and graph")
    parts["spectrum"] = spectrum_part(case)
    parts["graph"] = graph_part(case, parts["weights"][0]["standard_error"].values)
    _log.info("rollouts")
    parts["rollout"] = predict(case, rate_error=step.rmse)
    if case.truth is not None and true_factory is not None:
        neurons = _representatives(labels, curves, case.truth.types)
        for name, change in (changes or {}).items():
            _log.info("changed network %s", name)
            parts[f"changed_{name}"] = predict_changed(
                case, name, change, true_factory=true_factory, representatives=neurons
            )
    if checkpoints:
        parts["montage"] = _montage(case, checkpoints, parts["functions"][0]["activity"].values)
    values = _one_step_scores(step, target_kind)
    for _, scores in parts.values():
        values |= scores
    ceilings = {"weights_r2": parts["identifiability"][0].attrs["ceiling_r2"]}
    return {name: dataset for name, (dataset, _) in parts.items()}, {
        name: {"value": finite(value), "ceiling": finite(ceilings.get(name))}
        for name, value in values.items()
    }


def _one_step_scores(step: OneStep, target_kind: str) -> dict[str, float]:
    scores = {"one_step_r2": step.r2, "one_step_rmse": step.rmse}
    if target_kind != "drift" and step.drift_r2 is not None and step.drift_rmse is not None:
        scores |= {"one_step_drift_r2": step.drift_r2, "one_step_drift_rmse": step.drift_rmse}
    return scores


def _identifiability(case: Case, step: OneStep, sent: SentCovariance) -> Part:
    dataset = identifiability_dataset(
        sent,
        residual_variance=step.residual_variance,
        noise_variance=step.noise_variance,
        weight_variance=off_diagonal_variance(case.fitted.weight),
        n_train=case.n_train,
        time_unit=case.time_unit,
    )
    return dataset, {"effective_rank": dataset.attrs["effective_rank"]}


def _weights(case: Case, step: OneStep, sent: SentCovariance) -> Part:
    error = np.sqrt(np.outer(step.residual_variance, sent.inverse_diagonal / sent.n_samples))
    np.fill_diagonal(error, 0.0)
    dataset = weights_dataset(
        case.fitted.weight,
        time_unit=case.time_unit,
        standard_error=error,
        true=None if case.true is None else case.true.weight,
        published=published_weights(
            case.model, case.activity, method=case.config.published_plateau
        ),
        published_true=None if case.truth is None else case.truth.weight,
        types=case.types,
    )
    if case.true is None:
        return dataset, {}
    scores = {f"weights_{name}": dataset.attrs[name] for name in ("r2", "pearson2", "slope")}
    for name in ("r2", "slope"):
        scores[f"weights_{name}_published_correction"] = dataset.attrs[f"published_{name}"]
    directions = identifiable_directions(
        sent,
        residual_variance=float(step.residual_variance.mean()),
        weight_variance=off_diagonal_variance(case.true.weight),
        n_frames=sent.n_samples,
    )
    dataset.attrs["n_identifiable_directions"] = directions.shape[1]
    scores["weights_r2_identifiable"] = identifiable_r2(
        case.fitted.weight, case.true.weight, directions=directions
    )
    return dataset, scores


def _embedding(
    case: Case, labels: Int[np.ndarray, " N"], curves: Float[np.ndarray, "N G"]
) -> Part:
    embedding = case.model.embedding.detach().cpu().numpy()
    settings = case.config.projection
    dataset = embedding_dataset(
        embedding,
        labels,
        types=case.types,
        published=published_clusters(
            embedding, threshold=case.config.clusters.published_threshold
        ),
        projection=None
        if settings is None
        else project_curves(curves, **settings.model_dump(), seed=case.seed),
    )
    names = () if case.types is None else ("accuracy", "ari", "nmi")
    scores = {f"type_{name}": dataset.attrs[name] for name in names}
    for name in names[:2]:
        scores[f"type_{name}_published_procedure"] = dataset.attrs[f"published_{name}"]
    counts = {
        "n_clusters": dataset.attrs["n_clusters"],
        "n_clusters_published_procedure": dataset.attrs["published_n_clusters"],
    }
    return dataset, counts | scores


def _functions(case: Case) -> Part:
    quantile = case.config.visited_quantile
    dataset = functions_dataset(
        case.fitted,
        case.activity,
        quantile=quantile,
        n_points=case.config.curve_points,
        time_unit=case.time_unit,
        true=case.true,
        types=case.types,
    )
    learned = time_constants(case.fitted.update, case.activity)
    attrs = about("learned time constant", case.time_unit)
    dataset["time_constant"] = ("neuron", learned, attrs)
    if case.true is None:
        return dataset, {}
    true = time_constants(case.true.update, case.activity)
    dataset["true_time_constant"] = ("neuron", true, about("true time constant", case.time_unit))
    scores = {"time_constant_r2": _time_constant_r2(learned, true)}
    scores |= update_error(case.fitted, case.true, case.activity, quantile=quantile)
    scores |= transfer_error(case.fitted, case.true, case.activity, quantile=quantile)
    return dataset, scores


def _time_constant_r2(learned: Float[np.ndarray, " N"], true: Float[np.ndarray, " N"]) -> float:
    """1 - SSE / SST; NaN where true constants are all equal or one is not defined."""
    total = ((true - true.mean()) ** 2).sum()
    if not total > 1e-6 * (true**2).sum():  # what differs is rounding
        return float("nan")
    return float(1 - ((learned - true) ** 2).sum() / total)


def _representatives(
    labels: Int[np.ndarray, " N"], curves: Float[np.ndarray, "N G"], types: Int[np.ndarray, " N"]
) -> dict[int, int]:
    """For each true type the medoid of the cluster that stands for it."""
    medoid = medoids(curves, labels)
    return {kind: medoid[cluster] for kind, cluster in type_to_cluster(labels, types).items()}


def _montage(case: Case, checkpoints: Sequence[Path], grid: Float[np.ndarray, " G"]) -> Part:
    dataset = montage_dataset(
        pick_checkpoints(checkpoints, n_shown=case.config.n_montage),
        case.activity,
        grid,
        time_unit=case.time_unit,
        true=case.true,
        per_sender=case.per_sender,
    )
    return dataset, {}
