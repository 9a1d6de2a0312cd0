"""Constants and cell types of neurons, beside the true ones. Axes: N neurons, F features."""

__all__ = ["neurons_dataset", "projection"]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.clusters import match_types
from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.analyse.fly.quality import NeuronQuality
from neuralgnn.analyse.fly.scores import Metrics, line_scores, r2
from neuralgnn.analyse.fly.types import (
    cell_features,
    cluster_by_bic,
    cluster_published,
    scaled_features,
)
from neuralgnn.analyse.labels import about
from neuralgnn.analyse.projection import project_curves
from neuralgnn.data.graph import Graph
from neuralgnn.models.sparse import AffineGNN, SparseGNN


def neurons_dataset(
    model: SparseGNN,
    graph: Graph,
    own: Constants,
    published: Constants,
    true: Constants | None,
    truth: xr.Dataset | None,
    quality: NeuronQuality | None = None,
) -> tuple[xr.Dataset, Metrics, Metrics]:
    """Time constants, resting potentials, clusters, latent vectors; scores and their ceilings.

    Args:
        model: The model.
        graph: Its edges.
        own: Constants that the model implies.
        published: The same by the published correction.
        true: True ones.
        truth: ``type(neuron)`` and, where they have names, ``cell_type``.
        quality: What the fit says of its constants.
    """
    latent = model.embedding.detach().cpu().double().numpy()
    features = _features(model, graph, own)
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
        if quality is not None:
            ceilings |= quality.ceilings(true, graph)
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


def _features(model: SparseGNN, graph: Graph, own: Constants) -> Float[np.ndarray, "N F"]:
    """Of every neuron; latent vectors among them where they are not the constants themselves."""
    latent = None
    if not isinstance(model, AffineGNN):
        latent = model.embedding.detach().cpu().double().numpy()
    return cell_features(own, graph, latent=latent)


def projection(
    model: SparseGNN, graph: Graph, own: Constants, n_neighbors: int, min_dist: float, seed: int
) -> xr.DataArray:
    """UMAP of the features that neurons are clustered by, dims ``(neuron, plane)``."""
    placed = project_curves(
        scaled_features(_features(model, graph, own)),
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        seed=seed,
        max_rows=graph.n_neurons,
    )
    attrs = about("map of the features of neurons", "1")
    return xr.DataArray(placed.astype(np.float32), dims=("neuron", "plane"), attrs=attrs)


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
