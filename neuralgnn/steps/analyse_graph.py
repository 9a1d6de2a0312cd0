"""Step ``analyse`` for recordings with a graph: from a model to numbers, beside the truth."""

__all__ = ["analyse_graph_fit"]

from pathlib import Path

import numpy as np

from neuralgnn.analyse.fly import analyse_graph
from neuralgnn.analyse.fly.circuit import circuit_rows
from neuralgnn.data.recording import Recording, open_recording, open_truth
from neuralgnn.data.store import save_dataset
from neuralgnn.models.checkpoint import load_sparse_model
from neuralgnn.steps.numbers import AnalysisTask
from neuralgnn.steps.simulate import ablated_recording, held_out_recording
from neuralgnn.steps.table import write_rows
from neuralgnn.steps.training import training_of

_GAUGE = "g(0) = 0, slope of g over positive activity = 1, gain = leak; W in units of activity"


def analyse_graph_fit(task: AnalysisTask) -> None:
    """Computes everything about a fit on a graph; leaves stores, ``circuit.csv`` and numbers.

    Predictions are tested on ``test.zarr`` beside the recording; where there is none, on the
    recording itself. What changes when edges fall silent is tested on ``ablated.zarr``.

    Raises:
        FileNotFoundError: If recording, model or training record are missing.
        ValueError: If they do not belong together.
    """
    source, test = open_recording(task.recording), held_out_recording(task.recording)
    training = training_of(task.folder, task.fit)
    model, about = load_sparse_model(task.folder.model)
    projection = task.analysis.projection
    datasets, metrics = analyse_graph(
        source,
        open_truth(task.recording),
        open_recording(test) if test.exists() else None,
        model,
        extra=about["extra"],
        validation_fraction=task.fit.validation_fraction,
        ablated=_ablated(ablated_recording(task.recording)),
        n_neighbors=None if projection is None else projection.n_neighbors,
        min_dist=0.1 if projection is None else projection.min_dist,
        seed=task.seed,
    )
    for store, dataset in datasets.items():
        save_dataset(dataset, task.folder.store(store), config=task.settings)
    rows = circuit_rows(datasets["circuit"])
    write_rows(task.folder.circuit_table, rows[0] if rows else (), rows)
    task.write_metrics(metrics, training=training, recording=source.digest, gauge=_GAUGE)


def _ablated(path: Path) -> tuple[Recording, np.ndarray] | None:
    """A recording of the network with silent edges, and which ones they are; None if none."""
    if not path.exists():
        return None
    truth = open_truth(path)
    if truth is None:
        raise ValueError(f"{path} has no truth, which says what edges are silent: simulate anew")
    return open_recording(path), truth["is_ablated_edge"].values.astype(bool)
