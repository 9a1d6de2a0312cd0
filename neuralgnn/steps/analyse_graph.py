"""Step ``analyse`` for recordings with a graph: from a model to numbers, beside the truth."""

__all__ = ["GRAPH_STORES", "analyse_graph_step"]

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neuralgnn.analyse.fly import analyse_graph
from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.data.recording import Recording, open_recording, open_truth
from neuralgnn.data.store import save_dataset
from neuralgnn.models.checkpoint import load_sparse_model
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.numbers import write_metrics
from neuralgnn.steps.simulate import ablated_recording, held_out_recording
from neuralgnn.steps.training import training_of

GRAPH_STORES = ("weights", "functions", "neurons", "spectra", "prediction")
"""Stores that the analysis of a fit on a graph leaves."""

_GAUGE = "g(0) = 0, slope of g over positive activity = 1, gain = leak; W in units of activity"


def analyse_graph_step(
    recording: Path,
    fit: FitConfig,
    folder: FitFolder,
    analysis: AnalysisConfig,
    *,
    experiment: str,
    name: str,
    seed: int,
    published: Mapping[str, float] | None = None,
) -> None:
    """Computes everything about a fit on a graph; leaves stores and ``metrics.json``.

    Predictions are tested on ``test.zarr`` beside the recording; where there is none, on the
    recording itself. What changes when edges fall silent is tested on ``ablated.zarr``.

    Args:
        recording: Folder of the recording.
        fit: The fit.
        folder: Where its files lie.
        analysis: What to compute.
        experiment: Name of the experiment.
        name: Name of the fit.
        seed: Seed of the fit.
        published: Published values by metric.

    Raises:
        FileNotFoundError: If recording, model or training record are missing.
        ValueError: If they do not belong together.
    """
    source, test = open_recording(recording), held_out_recording(recording)
    training = training_of(folder, fit)
    model, about = load_sparse_model(folder.model)
    projection = analysis.projection
    datasets, metrics = analyse_graph(
        source,
        open_truth(recording),
        open_recording(test) if test.exists() else None,
        model,
        extra=about["extra"],
        validation_fraction=fit.validation_fraction,
        ablated=_ablated(ablated_recording(recording)),
        n_neighbors=None if projection is None else projection.n_neighbors,
        min_dist=0.1 if projection is None else projection.min_dist,
        seed=seed,
    )
    settings = {
        "fit": fit.model_dump(mode="json"),
        "analysis": analysis.model_dump(mode="json"),
        "seed": seed,
    }
    for store, dataset in datasets.items():
        save_dataset(dataset, folder.store(store), config=settings)
    write_metrics(
        folder.metrics,
        metrics,
        training=training,
        fit=fit,
        analysis=analysis,
        recording=source.digest,
        experiment=experiment,
        name=name,
        seed=seed,
        gauge=_GAUGE,
        published=published,
    )


def _ablated(path: Path) -> tuple[Recording, np.ndarray] | None:
    """A recording of the network with silent edges, and which ones they are; None if none."""
    if not path.exists():
        return None
    truth = open_truth(path)
    if truth is None:
        raise ValueError(f"{path} has no truth, which says what edges are silent: simulate anew")
    return open_recording(path), truth["is_ablated_edge"].values.astype(bool)
