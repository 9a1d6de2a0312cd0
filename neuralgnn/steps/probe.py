"""Step ``probe``: what a fitted fly does under flashes and moving edges, beside the true one."""

__all__ = ["probe_step"]

from pathlib import Path

import numpy as np
import xarray as xr

from neuralgnn.analyse.fly.evaluate import FastModel
from neuralgnn.analyse.fly.probes import Probe, probe_dataset, true_model
from neuralgnn.analyse.fly.stimulus import found_stimulus, in_true_scale
from neuralgnn.config.analysis import ProbeConfig
from neuralgnn.config.fly_stimulus import FlashStimulus, MovingEdgeStimulus
from neuralgnn.data.cost import measured
from neuralgnn.data.graph import Graph
from neuralgnn.data.recording import open_recording, open_truth
from neuralgnn.data.store import save_dataset
from neuralgnn.models.checkpoint import load_sparse_model
from neuralgnn.simulate.fly.stimulus.patterns import flashes, moving
from neuralgnn.steps.folders import FitFolder

_GREY = 0.5
_PAUSE = 0.25  # grey before and after an edge or flash [s]


@measured()
def probe_step(recording: Path, folder: FitFolder, probes: ProbeConfig) -> None:
    """Leaves the store ``probes`` of a fit.

    Args:
        recording: Folder of the recording.
        folder: Where the fit's files lie.
        probes: What is shown.

    Raises:
        FileNotFoundError: If recording or model are missing.
        ValueError: If the recording has no lattice, no stimulus, or no named cell types.
    """
    source, truth = open_recording(recording), open_truth(recording)
    graph, stimulus = source.graph, source.stimulation
    if graph is None or graph.u is None or stimulus is None:
        raise ValueError(f"{recording} has no lattice of columns that sees: nothing to be shown")
    if truth is None or "cell_type" not in truth:
        raise ValueError(f"{recording} does not say of what types its cells are: what is known?")
    truth = truth.load()
    model, about = load_sparse_model(folder.model)
    found = found_stimulus(source, range(source.n_frames - 1), about["extra"])
    if found is not None:  # a model of its own stimulus has to see what is shown here
        model, _ = in_true_scale(model, about["extra"], found[0])
    networks = {"learned": model.eval(), "true": true_model(truth, graph)}
    cells, names = _central_cells(graph, truth)
    dataset = probe_dataset(
        _probe(probes, extent=int(np.abs(graph.u).max())),
        {name: FastModel(network, graph).rate for name, network in networks.items()},
        stimulus=stimulus,
        cells=cells,
        names=names,
        n_neurons=graph.n_neurons,
    )
    save_dataset(dataset, folder.store("probes"), config=probes.model_dump(mode="json"))


def _probe(probes: ProbeConfig, *, extent: int) -> Probe:
    dt = probes.dt
    flash = FlashStimulus(
        kind="flash",
        radius=min(probes.flash_radius, extent),
        pause=_PAUSE,
        duration=probes.flash_duration,
    )
    edges = []
    for speed in probes.speeds:
        sweep = MovingEdgeStimulus(
            kind="moving_edge", speeds=(speed,), angles=probes.angles, pause=_PAUSE
        )
        clips = np.stack(list(moving(sweep, extent=extent, dt=dt)))
        edges.append(clips.reshape(2, len(probes.angles), *clips.shape[1:]))
    first = round(_PAUSE / dt)
    return Probe(
        flashes=np.stack(list(flashes(flash, extent=extent, dt=dt))),
        lit=(first, first + round(probes.flash_duration / dt)),
        edges=edges,
        angles=probes.angles,
        dt=dt,
        grey=_GREY,
        settle=round(probes.settle / dt),
    )


def _central_cells(graph: Graph, truth: xr.Dataset) -> tuple[np.ndarray, list[str]]:
    """The cell of each type in the central column, and the types' names."""
    assert graph.u is not None and graph.v is not None
    central = np.flatnonzero((graph.u == 0) & (graph.v == 0))
    kinds = truth["type"].values[central]
    order = np.argsort(kinds, kind="stable")
    names = [str(name) for name in truth["cell_type"].values]
    return central[order], [names[kind] for kind in kinds[order]]
