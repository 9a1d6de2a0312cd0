"""Trainers ``sgd`` and ``sgd_graph``: seeds, the loop, checkpoints, resume points, the log."""

__all__ = ["run_sgd"]

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralgnn.config.fit import FitConfig, SgdConfig
from neuralgnn.config.graph_fit import GraphSgdConfig
from neuralgnn.data import Recording, digest, provenance
from neuralgnn.data.provenance import code_digest
from neuralgnn.models import GeneralGNN, build_model, save_checkpoint
from neuralgnn.train.batches import Batches
from neuralgnn.train.descent import Descent, PenaltyCoefficients
from neuralgnn.train.graph_descent import GraphBatches, GraphDescent, GraphPenalties
from neuralgnn.train.history import History
from neuralgnn.train.memory import keep_freed_memory
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.schedule import checkpoint_steps

logger = logging.getLogger(__name__)

_LOG_EVERY = 100  # steps between rows of the history, and between looks at the loss


def run_sgd(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
) -> dict[str, Any]:
    """Fits a recording; ``checkpoint_*.pt``, ``history.csv``, ``tensorboard/`` go to ``out``.

    A killed run goes on from the last resume point in ``state``, and ends, on a CPU and with the
    same number of threads, in the same bytes.

    Args:
        recording: Activity to fit.
        config: Settings; the trainer section is that of sgd or sgd_graph.
        out: Folder for the results.
        state: Folder for the resume point and the checkpoints until the end.
        seed: Seed of initial values, of the frames drawn and of the clustering.
        device: Where to compute.
        progress: Whether to show a bar, or without a terminal to log a line a minute.

    Returns:
        ``n_steps``, ``checkpoints`` (file and step of each), ``loop_seconds`` (of all runs).

    Raises:
        ValueError: If the recording is too short, lacks the target or is not finite.
        FloatingPointError: If the loss stops being finite.
    """
    trainer = config.trainer
    assert isinstance(trainer, SgdConfig | GraphSgdConfig)
    keep_freed_memory()
    set_up = _set_up if isinstance(trainer, SgdConfig) else _set_up_on_graph
    descent = set_up(recording, config, seed=seed, device=device)
    key = _key(recording, config, seed=seed, device=device)
    resume = ResumePoint(state / "sgd.pt", key=key)
    history, seconds = _restore(descent, resume)
    keep = checkpoint_steps(
        n_steps=trainer.n_steps, every=trainer.checkpoint_every, keep=trainer.keep_checkpoints
    )
    record = provenance(
        config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
    )
    began = time.monotonic() - seconds
    log = history.follow(out / "tensorboard")
    bar = Progress("sgd", trainer.n_steps, done=descent.step, show=progress)
    with log, bar:
        while descent.step < trainer.n_steps:
            history.add(descent.advance(), step=descent.step, rate=descent.rate)
            at_checkpoint = _is_due(descent.step, trainer.checkpoint_every, trainer.n_steps)
            if at_checkpoint or descent.step % _LOG_EVERY == 0:
                bar.to(descent.step, **history.flush())
            if at_checkpoint:
                if descent.step in keep:
                    save_checkpoint(
                        state / _file(descent.step),
                        descent.model,
                        step=descent.step,
                        provenance=record,
                    )
                seconds = time.monotonic() - began
                content = descent.state() | {"history": history.rows, "seconds": seconds}
                resume.save(content)
    _publish(state, out, keep)
    history.write(out / "history.csv")
    return {
        "n_steps": trainer.n_steps,
        "checkpoints": [{"file": _file(step), "step": step} for step in keep],
        "loop_seconds": seconds,
    }


def _set_up(
    recording: Recording, config: FitConfig, *, seed: int, device: torch.device
) -> Descent:
    trainer = config.trainer
    assert isinstance(trainer, SgdConfig)
    # One seed per purpose, so that none of them moves the others' draws.
    initial, frames, clusters = (
        int(word) for word in np.random.SeedSequence(seed).generate_state(3)
    )
    training, _ = recording.split(config.validation_fraction)
    batches = Batches(recording, training, kind=config.target.kind, device=device)
    model = build_model(
        config.model,
        n_neurons=recording.n_neurons,
        activity_scale=float(batches.sample(2000).std(correction=0)),
        generator=torch.Generator().manual_seed(initial),
        n_frames=recording.n_frames,
    )
    return Descent(
        model.to(device),
        batches,
        n_steps=trainer.n_steps,
        batch_size=trainer.batch_size,
        lr_weight=trainer.lr_weight,
        lr_functions=trainer.lr_functions,
        lr_embedding=trainer.lr_embedding,
        lr_field=trainer.lr_field,
        decay_from=trainer.decay_from,
        penalties=PenaltyCoefficients(
            phi_zero=trainer.phi_zero,
            psi_monotonic=trainer.psi_monotonic,
            weight_l1=trainer.weight_l1,
        ),
        cluster_at=trainer.cluster_at,
        cluster_steps=trainer.cluster_steps,
        generator=torch.Generator().manual_seed(frames),
        seed=clusters,
    )


def _set_up_on_graph(
    recording: Recording, config: FitConfig, *, seed: int, device: torch.device
) -> GraphDescent:
    trainer, graph = config.trainer, recording.graph
    assert isinstance(trainer, GraphSgdConfig)
    if graph is None:
        raise ValueError(
            f"{recording.path} has no graph, which trainer.kind = 'sgd_graph' fits on; use 'sgd', "
            "or import the recording with its edges"
        )
    initial, frames = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    training, _ = recording.split(config.validation_fraction)
    batches = GraphBatches(recording, training, kind=config.target.kind, device=device)
    model = GeneralGNN(
        graph.n_neurons,
        n_edges=graph.n_edges,
        embedding_dim=config.model.embedding_dim,
        hidden=config.model.hidden,
        n_layers=config.model.n_layers,
        activation=config.model.activation,
        squared=trainer.squared,
        weight_scale=trainer.weight_scale,
        generator=torch.Generator().manual_seed(initial),
    )
    model.connect(graph.pre, graph.post)
    return GraphDescent(
        model.to(device),
        batches,
        n_steps=trainer.n_steps,
        batch_size=trainer.batch_size,
        lr_weight=trainer.lr_weight,
        lr_functions=trainer.lr_functions,
        lr_embedding=trainer.lr_embedding,
        decay_from=trainer.decay_from,
        penalties=GraphPenalties(
            transfer_monotonic=trainer.transfer_monotonic,
            transfer_norm=trainer.transfer_norm,
            transfer_l1=trainer.transfer_l1,
            update_l1=trainer.update_l1,
            update_l2=trainer.update_l2,
            weight_l1=trainer.weight_l1,
        ),
        generator=torch.Generator().manual_seed(frames),
    )


def _key(recording: Recording, config: FitConfig, *, seed: int, device: torch.device) -> str:
    settings = config.model_dump(mode="json", exclude={"device", "seeds"})
    code = code_digest("neuralgnn.models", "neuralgnn.train")
    return digest([settings, recording.digest, seed, device.type, torch.__version__, code])


def _restore(descent: Descent | GraphDescent, resume: ResumePoint) -> tuple[History, float]:
    """Takes up an earlier run where there is one; returns its history and seconds."""
    values = descent.batch_size * descent.model.n_neurons
    saved = resume.load()
    if saved is None:
        return History(values_per_step=values), 0.0
    descent.restore(saved)
    logger.info("going on from step %d in %s", descent.step, resume.path)
    return History(values_per_step=values, rows=saved["history"]), saved["seconds"]


def _is_due(step: int, every: int, n_steps: int) -> bool:
    return step % every == 0 or step == n_steps


def _file(step: int) -> str:
    return f"checkpoint_{step:08d}.pt"


def _publish(state: Path, out: Path, steps: list[int]) -> None:
    """Copies finished checkpoints; the folder of results may have been emptied since a kill."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("checkpoint_*.pt"):
        old.unlink()
    for step in steps:
        shutil.copyfile(state / _file(step), out / _file(step))
