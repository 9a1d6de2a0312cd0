"""Everything that is computed from one model fitted on a graph. Axes: N neurons, E edges."""

__all__ = ["analyse_graph"]

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.case import finite
from neuralgnn.analyse.clusters import match_types
from neuralgnn.analyse.fly.correction import Constants, own_constants, published_constants
from neuralgnn.analyse.fly.curves import curves_dataset, transfer_error
from neuralgnn.analyse.fly.evaluate import FastModel, VoltageRange, voltage_range
from neuralgnn.analyse.fly.prediction import NeuronScores, one_step_scores, roll_out
from neuralgnn.analyse.fly.scores import auroc, ceiling_r2, line_scores, r2
from neuralgnn.analyse.fly.spectra import spectra_dataset
from neuralgnn.analyse.fly.types import cell_features, cluster_by_bic, cluster_published
from neuralgnn.analyse.labels import about
from neuralgnn.data.graph import Graph
from neuralgnn.data.recording import Recording
from neuralgnn.models.sparse import AffineGNN, SparseGNN

_log = logging.getLogger(__name__)

_RESPONSE_FRAMES = 500
_SHOWN = 20  # neurons whose rollout is kept
_RESOLVED = 0.5  # share of a weight that the data decide, above which it counts as identifiable

Metrics = dict[str, float]


def analyse_graph(
    recording: Recording,
    truth: xr.Dataset | None,
    test: Recording | None,
    model: SparseGNN,
    *,
    extra: Mapping[str, Any],
    validation_fraction: float,
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, float | None]]]:
    """Judges a model fitted on a graph by every measure that the recordings permit.

    Args:
        recording: The recording that was fitted.
        truth: What :func:`neuralgnn.data.open_truth` gives; None for a recording without truth.
        test: Recording under held-out stimuli; None leaves predictions out.
        model: The fitted model.
        extra: What the fit says of itself: ``weight_error`` and ``resolution`` of every edge.
        validation_fraction: Share of the frames at the end that the fit did not see.

    Returns:
        Datasets by name of their store (``weights``, ``functions``, ``neurons``, ``prediction``,
        ``spectra``), and for each metric its ``value`` and ``ceiling``.

    Raises:
        ValueError: If model and recording have different neurons or edges.
    """
    graph = recording.graph
    if graph is None or graph.n_edges != model.n_edges or graph.n_neurons != model.n_neurons:
        found = (
            "no graph" if graph is None else f"{graph.n_neurons} neurons, {graph.n_edges} edges"
        )
        raise ValueError(
            f"the recording has {found}, the model {model.n_neurons} neurons, {model.n_edges} "
            "edges: is it a fit of this recording?"
        )
    known = None if truth is None else truth.load()
    model = model.eval()
    fast = FastModel(model, graph)
    train, _ = recording.split(validation_fraction)
    _log.info("constants")
    ranges = voltage_range(recording, train)
    published = published_constants(model, fast, recording, len(train), ranges)
    own = own_constants(model, published)
    true = None if known is None else _true_constants(known)
    error, resolution = _quality(model, graph, extra)
    weights, metrics, ceilings = _weights(graph, own, published, true, known, error, resolution)
    functions, curve_metrics = _functions(model, recording, train, ranges, known)
    metrics |= curve_metrics
    _log.info("cell types")
    neurons, more, more_ceilings = _neurons(model, graph, own, published, true, known)
    metrics, ceilings = metrics | more, ceilings | more_ceilings
    datasets = {"weights": weights, "functions": functions, "neurons": neurons}
    _log.info("spectra")
    reference = own.weight if true is None else true.weight
    datasets["spectra"] = spectra_dataset(graph.matrix(reference), graph.matrix(own.weight))
    if true is not None:
        for side in ("left", "right"):
            metrics[f"{side}_alignment"] = float(datasets["spectra"][f"{side}_alignment"].mean())
    _log.info("predictions")
    datasets["prediction"], more = _prediction(fast, recording if test is None else test, known)
    metrics |= more
    return datasets, {
        name: {"value": finite(value), "ceiling": finite(ceilings.get(name))}
        for name, value in metrics.items()
    }


def _true_constants(truth: xr.Dataset) -> Constants:
    names = ("weight", "time_constant", "resting_potential")
    return Constants(*(truth[name].values.astype(np.float64) for name in names))


def _quality(
    model: SparseGNN, graph: Graph, extra: Mapping[str, Any]
) -> tuple[Float[np.ndarray, " E"], Float[np.ndarray, " E"]]:
    """Standard error and resolution of every edge in the scale of :func:`own_constants`."""
    if "weight_error" not in extra or not isinstance(model, AffineGNN):
        unknown = np.full(graph.n_edges, np.nan)
        return unknown, np.ones(graph.n_edges)
    _, leak, gain = model.embedding.detach().cpu().double().numpy().T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.abs(gain / leak)[graph.post]
    return extra["weight_error"].double().numpy() * scale, extra["resolution"].double().numpy()


def _weights(
    graph: Graph,
    own: Constants,
    published: Constants,
    true: Constants | None,
    truth: xr.Dataset | None,
    error: Float[np.ndarray, " E"],
    resolution: Float[np.ndarray, " E"],
) -> tuple[xr.Dataset, Metrics, Metrics]:
    columns = {
        "pre": (graph.pre, "sending neuron"),
        "post": (graph.post, "receiving neuron"),
        "learned_weight": (own.weight, "learned weight"),
        "published_weight": (published.weight, "learned weight, published correction"),
        "standard_error": (error, "standard error of the learned weight"),
        "resolution": (resolution, "share of the weight that the data decide"),
    }
    known = resolution > _RESOLVED
    metrics: Metrics = {"weights_identifiable_share": float(known.mean())}
    ceilings: Metrics = {}
    if true is not None and truth is not None:
        columns["true_weight"] = (true.weight, "true weight")
        pearson2, slope = line_scores(own.weight, true.weight)
        line = line_scores(published.weight, true.weight, drop_outliers=True)
        metrics |= {
            "weights_r2": r2(own.weight, true.weight),
            "weights_pearson2": pearson2,
            "weights_slope": slope,
            "weights_r2_identifiable": r2(own.weight[known], true.weight[known]),
            "weights_r2_published_correction": line[0],
            "weights_slope_published_correction": line[1],
        }
        if "is_null_edge" in truth and truth["is_null_edge"].values.any():
            real = ~truth["is_null_edge"].values
            acting = true.weight != 0
            metrics["weights_r2_real_edges"] = r2(own.weight[real], true.weight[real])
            # Real edges of strength zero are told from null ones by nothing.
            metrics["weights_auroc_null"] = auroc(
                np.abs(own.weight)[acting | ~real], real[acting | ~real]
            )
        # What the data do not decide stays at zero, which is wrong by the weight itself.
        missing = np.where(known & np.isfinite(error), error, np.abs(true.weight))
        ceilings["weights_r2"] = ceiling_r2(missing, true.weight)
    dataset = xr.Dataset(
        {
            name: ("edge", values.astype(np.int32 if name in ("pre", "post") else np.float32))
            for name, (values, _) in columns.items()
        }
    )
    for name, (_, title) in columns.items():
        dataset[name].attrs = about(title, "1")
    return (
        dataset.assign_attrs({k: v for k, v in metrics.items() if np.isfinite(v)}),
        (metrics),
        ceilings,
    )


def _functions(
    model: SparseGNN,
    recording: Recording,
    train: range,
    ranges: VoltageRange,
    truth: xr.Dataset | None,
) -> tuple[xr.Dataset, Metrics]:
    sample = recording.activity(train[:: max(1, len(train) // 200)])
    dataset = curves_dataset(model, ranges, sample, truth)
    if truth is None:
        return dataset, {}
    error = transfer_error(model, sample)
    return dataset.assign_attrs(transfer_error=error), {"transfer_error": error}


def _neurons(
    model: SparseGNN,
    graph: Graph,
    own: Constants,
    published: Constants,
    true: Constants | None,
    truth: xr.Dataset | None,
) -> tuple[xr.Dataset, Metrics, Metrics]:
    latent = model.embedding.detach().cpu().double().numpy()
    features = cell_features(own, graph, latent=None if isinstance(model, AffineGNN) else latent)
    labels = cluster_published(features)
    by_bic = cluster_by_bic(features)
    columns: dict[str, tuple[np.ndarray, str, str]] = {
        "time_constant": (own.time_constant, "learned time constant", "s"),
        "resting_potential": (own.resting_potential, "learned resting potential", "1"),
        "cluster": (labels, "cluster of 100", "1"),
        "cluster_bic": (by_bic, "cluster, number by BIC", "1"),
    }
    metrics: Metrics = {"n_clusters": float(len(np.unique(by_bic)))}
    ceilings: Metrics = {}
    if true is not None and truth is not None:
        types = truth["type"].values.astype(np.int64)
        columns["true_time_constant"] = (true.time_constant, "true time constant", "s")
        columns["true_resting_potential"] = (
            true.resting_potential,
            "true resting potential",
            "1",
        )
        columns["type"] = (types, "true type", "1")
        for name in ("time_constant", "resting_potential"):
            learned, wanted = getattr(own, name), getattr(true, name)
            metrics[f"{name}_r2"] = r2(learned, wanted)
            line = line_scores(getattr(published, name), wanted)
            metrics[f"{name}_r2_published"], metrics[f"{name}_slope_published"] = line
        metrics |= _type_scores("type", labels, types)
        metrics |= _type_scores("type_bic", by_bic, types)
        best = cluster_published(cell_features(true, graph))
        ceilings |= _type_scores("type", best, types)
        columns |= _per_neuron_errors(graph, own, true)
    dataset = xr.Dataset(
        {
            name: ("neuron", values if values.dtype.kind == "i" else values.astype(np.float32))
            for name, (values, _, _) in columns.items()
        }
    )
    for name, (_, title, units) in columns.items():
        dataset[name].attrs = about(title, units)
    dataset["embedding"] = (
        ("neuron", "latent"),
        latent.astype(np.float32),
        about("latent vector a", "1"),
    )
    if truth is not None and "cell_type" in truth:
        dataset["cell_type"] = ("type_index", truth["cell_type"].values, about("cell type", "1"))
    scores = {name: value for name, value in metrics.items() if np.isfinite(value)}
    return dataset.assign_attrs(scores), metrics, ceilings


def _type_scores(
    name: str, labels: Int[np.ndarray, " N"], types: Int[np.ndarray, " N"]
) -> Metrics:
    return {f"{name}_{key}": value for key, value in match_types(labels, types).items()}


def _per_neuron_errors(
    graph: Graph, own: Constants, true: Constants
) -> dict[str, tuple[np.ndarray, str, str]]:
    square = (own.weight - true.weight) ** 2
    count = np.maximum(np.bincount(graph.post, minlength=graph.n_neurons), 1)
    mean = np.bincount(graph.post, weights=square, minlength=graph.n_neurons) / count
    return {"in_weight_rmse": (np.sqrt(mean), "error of the in-weights (RMS)", "1")}


def _prediction(
    fast: FastModel, test: Recording, truth: xr.Dataset | None
) -> tuple[xr.Dataset, Metrics]:
    shown = _shown(test.n_neurons, truth)
    one = one_step_scores(fast, test)
    free, traces = roll_out(fast, test, shown=shown)
    true = test.activity(slice(0, len(traces)))[:, shown]
    time = test.dt * np.arange(len(traces))
    cells = _kinograph_cells(test.n_neurons, truth)
    response = test.activity(slice(0, min(_RESPONSE_FRAMES, len(traces))))[:, cells]
    dataset = xr.Dataset(
        {
            "predicted": (("time", "shown"), traces, about("predicted activity", "1")),
            "true": (("time", "shown"), true, about("simulated activity", "1")),
            "shown_neuron": ("shown", shown, about("neuron", "1")),
            "response": (("response_time", "response_cell"), response, about("activity $v$", "1")),
            "response_neuron": ("response_cell", cells, about("neuron", "1")),
            **_score_columns("one_step", one),
            **_score_columns("rollout", free),
        },
        coords={"time": ("time", time, {"units": "s", "long_name": "time"})},
    )
    metrics = one.summary("one_step") | free.summary("rollout")
    return dataset.assign_attrs({k: v for k, v in metrics.items() if np.isfinite(v)}), metrics


def _score_columns(name: str, scores: NeuronScores) -> dict[str, tuple[str, np.ndarray, dict]]:
    return {
        f"{name}_rmse": ("neuron", scores.rmse.astype(np.float32), about(f"{name} RMSE", "1")),
        f"{name}_pearson": (
            "neuron",
            scores.pearson.astype(np.float32),
            about(f"{name} correlation", "1"),
        ),
    }


def _kinograph_cells(n_neurons: int, truth: xr.Dataset | None) -> Int[np.ndarray, " C"]:
    """Up to ten neurons of every type, or evenly spread ones."""
    if truth is None:
        return np.unique(np.linspace(0, n_neurons - 1, 600).astype(int))
    types = truth["type"].values
    chosen = []
    for kind in np.unique(types):
        members = np.flatnonzero(types == kind)
        chosen.append(members[np.unique(np.linspace(0, len(members) - 1, 10).astype(int))])
    return np.concatenate(chosen)


def _shown(n_neurons: int, truth: xr.Dataset | None) -> Int[np.ndarray, " S"]:
    """Some neurons of different types, the middle one of each."""
    if truth is None:
        return np.unique(np.linspace(0, n_neurons - 1, _SHOWN).astype(int))
    types = truth["type"].values
    middle = [members[len(members) // 2] for kind in np.unique(types)
              if len(members := np.flatnonzero(types == kind))]  # fmt: skip
    kept = np.linspace(0, len(middle) - 1, min(_SHOWN, len(middle))).round().astype(int)
    return np.array(middle)[kept]
