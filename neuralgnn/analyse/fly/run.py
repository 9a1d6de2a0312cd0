"""Everything that is computed from one model fitted on a graph. Axes: N neurons, E edges."""

__all__ = ["analyse_graph"]

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from neuralgnn.analyse.case import finite
from neuralgnn.analyse.fly.circuit import circuit_dataset
from neuralgnn.analyse.fly.correction import Constants, own_constants, published_constants
from neuralgnn.analyse.fly.curves import curves_dataset, transfer_error
from neuralgnn.analyse.fly.evaluate import FastModel, VoltageRange, voltage_range
from neuralgnn.analyse.fly.lattice import chosen_lattice
from neuralgnn.analyse.fly.neurons import neurons_dataset, projection
from neuralgnn.analyse.fly.prediction import NeuronScores, one_step_scores, roll_out
from neuralgnn.analyse.fly.quality import edge_quality, neuron_quality
from neuralgnn.analyse.fly.scores import Metrics
from neuralgnn.analyse.fly.spectra import spectra_dataset
from neuralgnn.analyse.fly.stimulus import found_stimulus, in_true_scale
from neuralgnn.analyse.fly.weights import weights_dataset
from neuralgnn.analyse.labels import about
from neuralgnn.data.graph import Graph
from neuralgnn.data.recording import Recording
from neuralgnn.models.place import one_thread
from neuralgnn.models.sparse import SparseGNN

_log = logging.getLogger(__name__)

_RESPONSE_FRAMES = 500
_SHOWN = 20  # neurons whose rollout is kept


@one_thread()
def analyse_graph(
    recording: Recording,
    truth: xr.Dataset | None,
    test: Recording | None,
    model: SparseGNN,
    *,
    extra: Mapping[str, Any],
    validation_fraction: float,
    ablated: tuple[Recording, Bool[np.ndarray, " E"]] | None = None,
    n_neighbors: int | None = None,
    min_dist: float = 0.1,
    seed: int = 0,
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, float | None]]]:
    """Judges a model fitted on a graph by every measure that the recordings permit.

    A model whose stimulus was not given is judged in the scale of the true one, see
    :mod:`neuralgnn.analyse.fly.stimulus`.

    Args:
        recording: The recording that was fitted.
        truth: What :func:`neuralgnn.data.open_truth` gives; None for a recording without truth.
        test: Recording under held-out stimuli; None leaves predictions out.
        model: The fitted model.
        extra: What the fit says of itself, see :mod:`neuralgnn.analyse.fly.quality`.
        validation_fraction: Share of the frames at the end that the fit did not see.
        ablated: Recording of the network with silent edges, and which ones they are.
        n_neighbors: Neighbours in the map of the neurons' features; None: no map.
        min_dist: How close points of the map may lie.
        seed: Seed of the map.

    Returns:
        Datasets by name of their store (``weights``, ``functions``, ``neurons``, ``circuit``,
        ``prediction``, ``spectra``), and for each metric its ``value`` and ``ceiling``.

    Raises:
        ValueError: If model and recording have different neurons or edges.
    """
    graph = _common_graph(recording, model, ablated)
    known = None if truth is None else truth.load()
    model = model.eval()
    train, _ = recording.split(validation_fraction)
    stimulus = found_stimulus(recording, train, extra)
    if stimulus is not None:
        model, extra = in_true_scale(model, extra, stimulus[0])
    fast = FastModel(model, graph)
    _log.info("constants")
    ranges = voltage_range(recording, train)
    published = published_constants(model, fast, recording, len(train), ranges)
    own = own_constants(model, published)
    true = None if known is None else _true_constants(known)
    quality = edge_quality(model, graph, extra)
    weights, metrics, ceilings = weights_dataset(graph, own, published, true, known, quality)
    functions, curve_metrics = _functions(model, recording, train, ranges, known)
    metrics |= curve_metrics
    _log.info("cell types")
    neurons, more, more_ceilings = neurons_dataset(
        model, graph, own, published, true, known, neuron_quality(extra)
    )
    metrics, ceilings = metrics | more, ceilings | more_ceilings
    if n_neighbors is not None:
        _log.info("map of the neurons")
        neurons["projection"] = projection(model, graph, own, n_neighbors, min_dist, seed)
    datasets = {"weights": weights, "functions": functions, "neurons": neurons}
    sources = {"learned": own.weight} | ({} if true is None else {"true": true.weight})
    datasets["circuit"] = circuit_dataset(graph, *_types(neurons), sources)
    _log.info("spectra")
    reference = own.weight if true is None else true.weight
    spectra = spectra_dataset(graph.matrix(reference), graph.matrix(own.weight))
    datasets["spectra"] = spectra
    if true is not None:
        names = ("left_alignment", "right_alignment")
        metrics |= {name: float(spectra[name].mean()) for name in names}
    _log.info("predictions")
    datasets["prediction"], more = _prediction(fast, recording if test is None else test, known)
    metrics |= more
    if stimulus is not None:
        shown = datasets["prediction"].merge(stimulus[1], combine_attrs="override")
        datasets["prediction"] = shown.assign_attrs(stimulus[2])
        metrics |= stimulus[2]
    if ablated is not None:
        metrics |= _ablated_prediction(model, graph, *ablated)
    return datasets, {
        name: {"value": finite(value), "ceiling": finite(ceilings.get(name))}
        for name, value in metrics.items()
    }


def _common_graph(
    recording: Recording,
    model: SparseGNN,
    ablated: tuple[Recording, Bool[np.ndarray, " E"]] | None,
) -> Graph:
    """The graph of the recording, which the model must have too."""
    graph = recording.graph
    if graph is None or graph.n_edges != model.n_edges or graph.n_neurons != model.n_neurons:
        found = (
            "no graph" if graph is None else f"{graph.n_neurons} neurons, {graph.n_edges} edges"
        )
        raise ValueError(
            f"the recording has {found}, the model {model.n_neurons} neurons, {model.n_edges} "
            "edges: is it a fit of this recording?"
        )
    if ablated is not None and len(ablated[1]) != graph.n_edges:
        raise ValueError(
            f"{ablated[0].path} silences some of {len(ablated[1])} edges, the model has "
            f"{graph.n_edges}: are they of the same experiment?"
        )
    return graph


def _types(neurons: xr.Dataset) -> tuple[Int[np.ndarray, " N"], list[str]]:
    """Types of the neurons and their names: the true ones, or clusters where none are known."""
    if "type" not in neurons:
        kinds, labels = np.unique(neurons["cluster_bic"].values, return_inverse=True)
        return labels.reshape(-1), [f"cluster {kind}" for kind in kinds]
    labels = neurons["type"].values
    if "cell_type" in neurons:
        return labels, [str(name) for name in neurons["cell_type"].values]
    return labels, [f"type {kind}" for kind in range(int(labels.max()) + 1)]


def _true_constants(truth: xr.Dataset) -> Constants:
    names = ("weight", "time_constant", "resting_potential")
    return Constants(*(truth[name].values.astype(np.float64) for name in names))


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


def _prediction(
    fast: FastModel, test: Recording, truth: xr.Dataset | None
) -> tuple[xr.Dataset, Metrics]:
    shown = _shown(test.n_neurons, truth)
    lattice = chosen_lattice(test, truth)
    one = one_step_scores(fast, test)
    free, traces = roll_out(fast, test, shown=np.concatenate([shown, lattice.every]))
    traces, on_lattice = traces[:, : len(shown)], traces[:, len(shown) :]
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
            **lattice.variables(test, on_lattice),
        },
        coords={"time": ("time", time, {"units": "s", "long_name": "time"})},
    )
    metrics = one.summary("one_step") | free.summary("rollout")
    return dataset.assign_attrs({k: v for k, v in metrics.items() if np.isfinite(v)}), metrics


def _ablated_prediction(
    model: SparseGNN, graph: Graph, recording: Recording, silent: Bool[np.ndarray, " E"]
) -> Metrics:
    """Scores under held-out stimuli with edges silenced in network and model alike."""
    fast = FastModel(model, graph, kept=~silent)
    one = one_step_scores(fast, recording)
    free, _ = roll_out(fast, recording, shown=np.empty(0, dtype=np.int64))
    return one.summary("ablated_one_step") | free.summary("ablated_rollout")


def _score_columns(name: str, scores: NeuronScores) -> dict[str, tuple[str, np.ndarray, dict]]:
    return {
        f"{name}_rmse": ("neuron", scores.rmse.astype(np.float32), about(f"{name} RMSE", "1")),
        f"{name}_pearson": (
            "neuron",
            scores.pearson.astype(np.float32),
            about(f"{name} correlation", "1"),
        ),
        f"{name}_unexplained": (
            "neuron",
            scores.unexplained.astype(np.float32),
            about(f"{name} 1 - R²", "1"),
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
