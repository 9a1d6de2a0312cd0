"""Variable projection on a recording with a graph: frames, resume points, checkpoint, history."""

__all__ = ["run_graph_varpro"]

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuralgnn.config.fit import FitConfig
from neuralgnn.config.graph_fit import GraphVarproConfig
from neuralgnn.data import Graph, Recording, digest, provenance
from neuralgnn.data.provenance import code_digest
from neuralgnn.models import AffineGNN, save_checkpoint
from neuralgnn.models.hidden_stimulus import HiddenStimulus
from neuralgnn.models.place import one_thread
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.varpro.alike import share_alike
from neuralgnn.train.varpro.edge_evidence import weigh_edges
from neuralgnn.train.varpro.fit import subsample
from neuralgnn.train.varpro.hats import Hats
from neuralgnn.train.varpro.search_store import SearchStore, write_history
from neuralgnn.train.varpro.sparse_fit import (
    SearchProgress,
    affine_model,
    find_sparse_transfer,
    in_unit_slope,
)
from neuralgnn.train.varpro.sparse_frames import Loader, find_stimulus, fit_siren, stimulation
from neuralgnn.train.varpro.sparse_rows import SparseRows, SparseSums, sum_frames
from neuralgnn.train.varpro.sparse_search import CurveState, SparseSearchData
from neuralgnn.train.varpro.sparse_sums import Frames, Measurement

logger = logging.getLogger(__name__)

_HELD_OUT_FRAMES = 500
_COLUMNS = ("stage", "start", "loss", "damping")


def run_graph_varpro(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
) -> dict[str, Any]:
    """Fits a recording and writes ``checkpoint_*.pt`` and ``history.csv`` into ``out``.

    A killed run goes on from the last step of the search, kept in ``state``, and ends in the
    same bytes. The checkpoint's ``extra`` holds what the solve says of itself: standard errors
    with and without prior and ``resolution`` of every weight, and what leak and drive take over
    of it; standard errors, residual and variance of every neuron.

    Args:
        recording: Activity to fit, with its graph.
        config: Settings; the trainer section is this one's.
        out: Folder for the results.
        state: Folder for the resume point.
        seed: Seed of the fit: which receivers are searched with.
        device: Where to compute.
        progress: Whether to show a bar.

    Returns:
        ``n_steps``, ``checkpoints`` (file and step of each) and numbers of the fit.

    Raises:
        ValueError: If the recording has no graph, or none with places where like neurons are to
            share, is too short, or no transfer function is found; where the stimulus is not given,
            if nothing says which neurons receive it, or those that share it cannot be told apart.
    """
    settings = config.model_dump(mode="json", exclude=set(FitConfig.HOW_IT_RUNS))
    code = code_digest("neuralgnn.models", "neuralgnn.train")
    key = digest([settings, recording.digest, seed, device.type, torch.__version__, code])
    point = ResumePoint(state / "varpro_graph.pt", key=key)
    store = SearchStore(point, kinds=(SearchProgress, CurveState))
    with one_thread(workers=device.type == "cpu"):
        model, extra, numbers = _fit(
            recording, config, store, seed=seed, device=device, progress=progress
        )
    step = len(store.history)
    record = provenance(
        config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
    )
    name = f"checkpoint_{step:08d}.pt"
    save_checkpoint(out / name, model, step=step, provenance=record, extra=extra)
    write_history(out / "history.csv", _COLUMNS, store.history)
    return {"n_steps": step, "checkpoints": [{"file": name, "step": step}], **numbers}


def _fit(
    recording: Recording,
    config: FitConfig,
    store: SearchStore,
    *,
    seed: int,
    device: torch.device,
    progress: bool,
) -> tuple[AffineGNN, dict[str, Any], dict[str, Any]]:
    """The model, what the solve says of itself, and numbers of the fit."""
    trainer = config.trainer
    assert isinstance(trainer, GraphVarproConfig)
    graph, hidden = _graph_of(recording, trainer), trainer.hidden_stimulus
    load = Loader(recording, config.target.kind, device, is_given=hidden is None)
    train_frames, held_out_frames = (
        frames[:-1] for frames in recording.split(config.validation_fraction)
    )
    fitted = load(_evenly(train_frames, trainer.n_search_samples))
    tested = load(_evenly(held_out_frames, _HELD_OUT_FRAMES))
    receivers = _draw_receivers(
        graph,
        trainer.n_receivers,
        np.random.default_rng(seed),
        without=None if hidden is None else stimulation(recording).input_neuron,
    )
    found = _search(trainer, graph, receivers, fitted, tested, store, progress=progress)
    frames = _solve_frames(train_frames, trainer)
    driving: HiddenStimulus | None = None
    stimulus: dict[str, Any] = {}
    if hidden is not None:
        driving = find_stimulus(
            recording,
            load,
            frames,
            hats=found.hats,
            values=found.values,
            ridge=trainer.ridge,
            progress=progress,
        )
        load = load.driven_by(driving)
        siren = fit_siren(hidden, recording, load, train_frames, seed=seed)
        stimulus = {"hidden_stimulus": driving.plain(), "stimulus_siren": siren}
    sums = _sum(trainer, graph, load, frames, found, dt=recording.dt, progress=progress)
    rows, model, numbers = _solve(trainer, graph, sums, found, seed=seed)
    extra = _quality(rows, model, driving) | stimulus
    extra |= _evidence(trainer, graph, rows, extra["resolution"], seed=seed)
    numbers |= {
        "n_samples": len(frames),
        "n_search_samples": fitted.x.shape[1],
        "n_knots": found.hats.size,
        "held_out_error": found.error,
    }
    return model, extra, numbers


def _graph_of(recording: Recording, trainer: GraphVarproConfig) -> Graph:
    """The graph that is fitted on.

    Raises:
        ValueError: If there is none, or like neurons are to share and have no places.
    """
    graph = recording.graph
    if graph is None:
        raise ValueError(
            f"{recording.path} has no graph, which trainer.kind = 'varpro_graph' fits on; use "
            "'varpro', or import the recording with its edges"
        )
    for name in ("alike", "doubtful_edges"):
        if getattr(trainer, name) is not None and (graph.u is None or graph.v is None):
            raise ValueError(
                f"{recording.path}: trainer.{name} tells types by how far edges reach on the "
                f"lattice, and neurons have no u and v: import the graph with them, or set {name} "
                "to null"
            )
    return graph


@dataclass(frozen=True)
class _Transfer:
    """A transfer function that was found, in unit slope, and its error on held-out time."""

    hats: Hats
    values: np.ndarray
    error: float


def _search(
    trainer: GraphVarproConfig,
    graph: Graph,
    receivers: np.ndarray,
    fitted: Frames,
    tested: Frames,
    store: SearchStore,
    *,
    progress: bool,
) -> _Transfer:
    """Finds the transfer function, from where the store says that a search stands."""
    sample = subsample(fitted.x)
    options = {"graph": graph, "receivers": receivers, "ridge": trainer.ridge}

    def make_data(hats: Hats) -> tuple[SparseSearchData, SparseSearchData]:
        return tuple(
            SparseSearchData(some.x.T, some.y.T, some.external.T, hats=hats, **options)
            for some in (fitted, tested)
        )  # pyright: ignore[reportReturnType]

    bound = trainer.max_iterations * (len(trainer.starts) + 1)
    with Progress("search of the transfer function, at most", bound, show=progress) as bar:

        def on_progress(search: SearchProgress) -> None:
            state, place = search.state, (search.stage, search.start)
            store.save(search, step=None if state is None else (*place, state.loss, state.damping))
            if state is not None:
                bar.to(len(store.history), loss=state.loss)

        search = find_sparse_transfer(
            make_data,
            sample,
            n_knots=trainer.n_knots,
            refine_knots=trainer.refine_knots,
            starts=trainer.starts,
            max_iterations=trainer.max_iterations,
            search=store.load(),
            on_progress=on_progress,
        )
    hats, values = search.found
    return _Transfer(hats, in_unit_slope(hats, values, sample), search.best_error)


def _solve_frames(frames: range, trainer: GraphVarproConfig) -> np.ndarray:
    """Frames of the solve: the opening ones, and others evenly spread."""
    opening = np.asarray(frames[: trainer.n_opening_samples], dtype=int)
    return np.union1d(opening, _evenly(frames, trainer.n_samples))


def _sum(
    trainer: GraphVarproConfig,
    graph: Graph,
    load: Loader,
    frames: np.ndarray,
    found: _Transfer,
    *,
    dt: float,
    progress: bool,
) -> SparseSums:
    """What the solve needs of the frames."""
    curve = torch.as_tensor(found.values, device=load.device)
    noise = trainer.measurement_std
    with Progress("frames of the solve", len(frames), show=progress) as bar:
        return sum_frames(
            load.blocks(frames, bar),
            graph,
            lambda x: found.hats.curve(curve, x),
            measurement=Measurement(noise, dt) if noise else None,
        )


def _solve(
    trainer: GraphVarproConfig, graph: Graph, sums: SparseSums, found: _Transfer, *, seed: int
) -> tuple[SparseRows, AffineGNN, dict[str, Any]]:
    """Every neuron's row, the model that they make, and how many neurons share theirs."""
    rows, numbers = sums.solve(ridge=trainer.ridge), {}
    if trainer.alike is not None:
        rows, numbers = share_alike(
            sums,
            rows,
            ridge=trainer.ridge,
            max_clusters=trainer.alike.max_clusters,
            tolerance=trainer.alike.tolerance,
            seed=seed,
        )
    return rows, affine_model(rows, found.hats, found.values, graph), numbers


def _quality(rows: SparseRows, model: AffineGNN, found: HiddenStimulus | None) -> dict[str, Any]:
    """What the solve says of itself, in the scale of the model."""
    scale = model.embedding[:, 2].detach().double()[model.post]
    resolution = rows.resolution.float()
    if found is not None:  # the rows take the stimulus for known
        joint = found.resolution.float()
        resolution[found.edge] = resolution[found.edge].minimum(joint)
    return {
        "weight_error": (rows.weight_error / scale).float(),
        "unbiased_error": (rows.unbiased_error / scale).float(),
        "resolution": resolution,
        "leak_share": rows.leak_share.float(),
        "drive_share": rows.drive_share.float(),
        "leak_error": rows.leak_error.float(),
        "rest_error": rows.rest_error.float(),
        "residual": rows.residual,
        "variance": rows.variance,
        "n_frames": rows.n_frames,
    }


def _evidence(
    trainer: GraphVarproConfig, graph: Graph, rows: SparseRows, resolution: Tensor, *, seed: int
) -> dict[str, Tensor]:
    """Log odds of every edge that it is real, where that is asked."""
    if trainer.doubtful_edges is None:
        return {}
    found = weigh_edges(
        graph,
        rows.weight.double().numpy(),
        rows.weight_error.double().numpy(),
        resolution.double().numpy(),
        max_clusters=trainer.doubtful_edges.max_clusters,
        seed=seed,
    )
    return {
        "activity_log_odds": torch.as_tensor(found.activity).float(),
        "edge_log_odds": torch.as_tensor(found.posterior).float(),
    }


def _draw_receivers(
    graph: Graph,
    n_receivers: int,
    generator: np.random.Generator,
    *,
    without: np.ndarray | None = None,
) -> np.ndarray:
    """Some neurons that hear others.

    Args:
        graph: Edges.
        n_receivers: Their number, if there are as many.
        generator: Where they are drawn from.
        without: Neurons that are left out: what they receive is not all known.

    Raises:
        ValueError: If there is none.
    """
    hearing = np.flatnonzero(np.diff(graph.indptr))
    if not len(hearing):
        raise ValueError("the graph has no edges: there is no transfer function to find")
    if without is not None:
        hearing = np.setdiff1d(hearing, without)
        if not len(hearing):
            raise ValueError(
                "all neurons that hear others receive the stimulus too: the transfer function is "
                "found from those that do not; leave trainer.hidden_stimulus out"
            )
    count = min(n_receivers, len(hearing))
    return np.sort(generator.choice(hearing, count, replace=False))


def _evenly(frames: range, most: int) -> np.ndarray:
    """At most so many of the frames, evenly spread."""
    count = min(most, len(frames))
    return frames.start + np.linspace(0, len(frames) - 1, count).round().astype(int)
