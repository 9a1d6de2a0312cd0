"""Trainers ``sgd`` and ``sgd_graph``: seeds, the loop, checkpoints, resume points, the log."""

__all__ = ["run_sgd", "run_sgd_together"]

import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
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
from neuralgnn.train.descent import Descent
from neuralgnn.train.graph_descent import GraphBatches, GraphDescent, GraphPenalties
from neuralgnn.train.history import History
from neuralgnn.train.memory import keep_freed_memory
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.schedule import checkpoint_steps
from neuralgnn.train.terms import PenaltyCoefficients, Terms
from neuralgnn.train.together import Together

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
    keep_freed_memory()
    fit = _Fit(recording, config, out=out, state=state, seed=seed, device=device)
    return _run(_Alone(fit.descent), [fit], state=state, progress=progress)[0]


def run_sgd_together(
    recordings: Sequence[Recording],
    config: FitConfig,
    *,
    outs: Sequence[Path],
    states: Sequence[Path],
    seeds: Sequence[int],
    device: torch.device,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Fits recordings of one experiment in one loop, every step of it one batch (``Together``).

    Results are those of :func:`run_sgd` but for rounding, which the batch does in another order.

    Args:
        recordings: Activity to fit, one for each seed.
        config: Settings; the trainer section is that of sgd.
        outs: Folder for the results of each.
        states: Folder for the checkpoints of each until the end; the resume point of all lies
            beside them.
        seeds: Seed of each fit.
        device: Where to compute.
        progress: Whether to show a bar.

    Returns:
        What :func:`run_sgd` returns, for each.

    Raises:
        ValueError: If a recording does not suit the fit, or they differ in their neurons.
        FloatingPointError: If a loss stops being finite.
    """
    keep_freed_memory()
    fits = [
        _Fit(recording, config, out=out, state=state, seed=seed, device=device)
        for recording, out, state, seed in zip(recordings, outs, states, seeds, strict=True)
    ]
    descents = [fit.descent for fit in fits if isinstance(fit.descent, Descent)]
    assert len(descents) == len(fits), "only sgd"
    return _run(Together(descents), fits, state=states[0].parent, progress=progress)


class _Fit:
    """One recording's descent, and what is kept of it."""

    def __init__(
        self,
        recording: Recording,
        config: FitConfig,
        *,
        out: Path,
        state: Path,
        seed: int,
        device: torch.device,
    ) -> None:
        trainer = config.trainer
        assert isinstance(trainer, SgdConfig | GraphSgdConfig)
        self.out, self.state, self.trainer = out, state, trainer
        set_up = _set_up if isinstance(trainer, SgdConfig) else _set_up_on_graph
        self.descent = set_up(recording, config, seed=seed, device=device)
        self.key = _key(recording, config, seed=seed, device=device)
        self.history = self.history_of([])
        self.keep = checkpoint_steps(
            n_steps=trainer.n_steps,
            every=trainer.checkpoint_every,
            keep=trainer.keep_checkpoints,
        )
        self.record = provenance(
            config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
        )

    def history_of(self, rows: list[dict[str, float]]) -> History:
        """A history that begins with these rows."""
        values = self.descent.batch_size * self.descent.model.n_neurons
        return History(values_per_step=values, rows=rows)

    def save_checkpoint(self) -> None:
        """Keeps the model of this step, if it is one of those to keep."""
        step = self.descent.step
        if step in self.keep:
            save_checkpoint(
                self.state / _file(step), self.descent.model, step=step, provenance=self.record
            )

    def publish(self) -> None:
        """Copies what is finished; the folder of results may have been emptied since a kill."""
        self.out.mkdir(parents=True, exist_ok=True)
        for old in self.out.glob("checkpoint_*.pt"):
            old.unlink()
        for step in self.keep:
            shutil.copyfile(self.state / _file(step), self.out / _file(step))
        self.history.write(self.out / "history.csv")


class _Alone:
    """A single descent in place of those of many seeds."""

    def __init__(self, descent: Descent | GraphDescent) -> None:
        self.descent = descent
        self.state, self.restore = descent.state, descent.restore

    @property
    def step(self) -> int:
        return self.descent.step

    @property
    def rate(self) -> float:
        return self.descent.rate

    def advance(self) -> list[Terms]:
        return [self.descent.advance()]


def _run(
    descent: _Alone | Together, fits: list[_Fit], *, state: Path, progress: bool
) -> list[dict[str, Any]]:
    """The loop over steps, from where an earlier run was left to the end."""
    trainer = fits[0].trainer
    key = fits[0].key if isinstance(descent, _Alone) else digest([fit.key for fit in fits])
    resume = ResumePoint(state / "sgd.pt", key=key)
    seconds = 0.0
    if (saved := resume.load()) is not None:
        descent.restore(saved["descent"])
        for fit, rows in zip(fits, saved["histories"], strict=True):
            fit.history = fit.history_of(rows)
        seconds = saved["seconds"]
        logger.info("going on from step %d in %s", descent.step, resume.path)
    began = time.monotonic() - seconds
    with (
        ExitStack() as logs,
        Progress("sgd", trainer.n_steps, done=descent.step, show=progress) as bar,
    ):
        for fit in fits:
            logs.enter_context(fit.history.follow(fit.out / "tensorboard"))
        while descent.step < trainer.n_steps:
            for fit, terms in zip(fits, descent.advance(), strict=True):
                fit.history.add(terms, step=descent.step, rate=descent.rate)
            at_checkpoint = _is_due(descent.step, trainer.checkpoint_every, trainer.n_steps)
            if at_checkpoint or descent.step % _LOG_EVERY == 0:
                errors = [fit.history.flush() for fit in fits]
                bar.to(descent.step, **errors[0])
            if at_checkpoint:
                for fit in fits:
                    fit.save_checkpoint()
                seconds = time.monotonic() - began
                histories = [fit.history.rows for fit in fits]
                content = {"histories": histories, "seconds": seconds}
                resume.save(content | {"descent": descent.state()})
    for fit in fits:
        fit.publish()
    return [
        {
            "n_steps": trainer.n_steps,
            "checkpoints": [{"file": _file(step), "step": step} for step in fit.keep],
            "loop_seconds": seconds,
        }
        for fit in fits
    ]


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
        compiled=device.type == "cuda" if trainer.compiled is None else trainer.compiled,
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
    settings = config.model_dump(mode="json", exclude=set(FitConfig.HOW_IT_RUNS))
    code = code_digest("neuralgnn.models", "neuralgnn.train")
    return digest([settings, recording.digest, seed, device.type, torch.__version__, code])


def _is_due(step: int, every: int, n_steps: int) -> bool:
    return step % every == 0 or step == n_steps


def _file(step: int) -> str:
    return f"checkpoint_{step:08d}.pt"
