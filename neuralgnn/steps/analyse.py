"""Step ``analyse``: from a model to numbers, beside the truth where it is known."""

__all__ = ["analyse_step"]

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import TypeAdapter

from neuralgnn.analyse.changed import NetworkChange, assign_blocks
from neuralgnn.analyse.run import analyse
from neuralgnn.config.analysis import AnalysisConfig, ChangedNetwork
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.simulation import Connectivity
from neuralgnn.data.cost import measured
from neuralgnn.data.provenance import provenance
from neuralgnn.data.recording import Recording, open_recording, open_truth
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import save_dataset, write_json
from neuralgnn.models.checkpoint import load_model
from neuralgnn.simulate.connectivity import draw_weights
from neuralgnn.simulate.rate import RateEquation
from neuralgnn.simulate.stimulus import DrivenEquation, Stimulus
from neuralgnn.steps.analyse_graph import analyse_graph_fit
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.numbers import AnalysisTask
from neuralgnn.steps.training import training_of

_GAUGE = "psi(0) = 0, psi increasing, largest |psi| = 1 where the activity is; W is g_i W_ij"
_FIELD_GAUGE = "; the mean of every Omega_i over training frames is 1"


@measured()
def analyse_step(
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
    """Computes everything about the selected model of a fit; leaves stores and ``metrics.json``.

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
        BlockingIOError: If another process analyses the same fit.
    """
    task = AnalysisTask(
        recording,
        fit,
        folder,
        analysis,
        experiment=experiment,
        name=name,
        seed=seed,
        published=published or {},
    )
    with only_writer(folder.metrics):
        folder.metrics.unlink(missing_ok=True)  # it vouches for the stores, and is written last
        if open_recording(recording).graph is not None:
            analyse_graph_fit(task)
        else:
            _analyse_assembly_fit(task)


def _analyse_assembly_fit(task: AnalysisTask) -> None:
    source, truth = open_recording(task.recording), open_truth(task.recording)
    fit, folder, analysis = task.fit, task.folder, task.analysis
    training = training_of(folder, fit)
    model, _ = load_model(folder.model)
    datasets, metrics = analyse(
        source,
        truth,
        model,
        analysis,
        target_kind=fit.target.kind,
        validation_fraction=fit.validation_fraction,
        true_drift=None if truth is None else _true_drift(truth),
        true_factory=None if truth is None else _Factory(truth),
        changes={} if truth is None else _changes(source, truth, analysis, seed=task.seed),
        checkpoints=[folder.checkpoints / entry["file"] for entry in training["checkpoints"]],
        seed=task.seed,
        device="cuda" if fit.device == "cuda" else "cpu",
    )
    _save(datasets, folder, analysis, task.settings)
    gauge = _GAUGE + (_FIELD_GAUGE if "field" in datasets else "")
    task.write_metrics(metrics, training=training, recording=source.digest, gauge=gauge)


def _true_drift(truth: xr.Dataset) -> RateEquation | DrivenEquation:
    equation, stimulus = RateEquation.from_truth(truth), Stimulus.from_truth(truth)
    return equation if stimulus is None else DrivenEquation(equation, stimulus)


class _Factory:
    """Gives the true rate of change for other weights and types."""

    def __init__(self, truth: xr.Dataset) -> None:
        self.truth = truth

    def __call__(self, *, weight: Any, types: Any) -> RateEquation:
        return RateEquation.from_truth(self.truth, weight=weight, types=types)


def _changes(
    recording: Recording, truth: xr.Dataset, analysis: AnalysisConfig, *, seed: int
) -> dict[str, NetworkChange]:
    """Draws every changed network: types, connections that stay, and new weights."""
    return {
        name: _change(recording, truth, network, seed=[seed, place])
        for place, (name, network) in enumerate(sorted(analysis.changed_networks.items()))
    }


def _change(
    recording: Recording, truth: xr.Dataset, network: ChangedNetwork, *, seed: list[int]
) -> NetworkChange:
    n_neurons = recording.n_neurons
    for_mask, for_weight = np.random.SeedSequence(seed).spawn(2)
    kept = np.random.default_rng(for_mask).random((n_neurons, n_neurons)) < network.filling
    simulated = recording.attrs.get("provenance", {}).get("config", {}).get("connectivity")
    new_weight = None
    if simulated is not None:
        connectivity: Connectivity = TypeAdapter(Connectivity).validate_python(
            simulated | {"filling": network.filling}
        )
        new_weight = draw_weights(
            connectivity, n_neurons=n_neurons, seed=int(for_weight.generate_state(1)[0])
        )
    types = assign_blocks(n_neurons, network.type_fractions)
    return NetworkChange(
        types=np.unique(truth["type"].values)[types],
        kept=kept,
        new_weight=new_weight,
        filling=network.filling,
        type_fractions=network.type_fractions,
    )


def _save(
    datasets: Mapping[str, xr.Dataset],
    folder: FitFolder,
    analysis: AnalysisConfig,
    settings: Mapping[str, Any],
) -> None:
    """Writes the stores, and last the list of changed networks."""
    for name, dataset in datasets.items():
        save_dataset(dataset, folder.store(name), config=settings)
    for old in folder.store("changed").parent.glob("changed_*.zarr"):
        if old.stem not in datasets:
            shutil.rmtree(old)  # of an earlier run with other networks
    if "field" not in datasets and folder.store("field").exists():
        shutil.rmtree(folder.store("field"))
    networks = {
        name: network.model_dump(mode="json")
        for name, network in sorted(analysis.changed_networks.items())
        if f"changed_{name}" in datasets
    }
    write_json(folder.changed, {"networks": networks, "provenance": provenance(settings)})
