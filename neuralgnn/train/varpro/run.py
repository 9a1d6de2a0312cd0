"""Variable projection on a recording: frames, seeds, resume points, checkpoint, history."""

__all__ = ["run_varpro"]

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralgnn.config.fit import FitConfig, VarproConfig
from neuralgnn.data import Recording, atomic_path, digest, provenance, target
from neuralgnn.data.provenance import code_digest
from neuralgnn.models import build_model, save_checkpoint
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.varpro.fit import Samples, Search, find_transfer, fit_model
from neuralgnn.train.varpro.search import SearchState

logger = logging.getLogger(__name__)

_HELD_OUT_FRAMES = 1000
_HISTORY = ("step", "stage", "start", "loss", "damping", "ridge")


def run_varpro(
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
    same bytes.

    Args:
        recording: Activity to fit.
        config: Settings; the trainer section is varpro's.
        out: Folder for the results.
        state: Folder for the resume point.
        seed: Seed of the fit: which neurons are searched with, how MLPs start.
        device: Where to compute.
        progress: Whether to show a bar.

    Returns:
        ``n_steps``, ``checkpoints`` (file and step of each) and numbers of the fit.

    Raises:
        ValueError: If the recording is too short or its activity does not determine W.
    """
    trainer = config.trainer
    assert isinstance(trainer, VarproConfig)
    generator = torch.Generator().manual_seed(seed)
    receivers = _draw_receivers(recording.n_neurons, trainer.n_receivers, generator)
    settings = config.model_dump(mode="json", exclude={"device", "seeds"})
    code = code_digest("neuralgnn.models", "neuralgnn.train")
    key = digest([settings, recording.digest, seed, device.type, torch.__version__, code])
    store = _SearchStore(ResumePoint(state / "varpro.pt", key=key))

    train_frames, held_out_frames = recording.split(config.validation_fraction)
    n_search, n_samples = _sample_sizes(trainer, recording.n_neurons, len(train_frames))
    shared = config.model.embedding == "fixed"
    # Frames t whose finite difference at t + 1 exists and stays on the same side of the split.
    load = _Loader(recording, config.target.kind, device)
    held_out = load(held_out_frames[:-1], min(_HELD_OUT_FRAMES, len(held_out_frames) - 1))
    bound = trainer.max_iterations * (len(trainer.starts) + len(trainer.n_coefficients) - 1)
    with Progress("varpro search, at most", bound, show=progress) as bar:

        def on_progress(search: Search) -> None:
            store.save(search)
            if search.state is not None:
                bar.to(len(store.history), stage=search.stage, loss=search.state.loss)

        search = find_transfer(
            load(train_frames[:-1], n_search),
            held_out,
            receivers=receivers.to(device),
            n_coefficients=trainer.n_coefficients,
            n_update_coefficients=trainer.n_update_coefficients,
            starts=trainer.starts,
            max_iterations=trainer.max_iterations,
            ridge=trainer.ridge,
            one_update=shared,
            search=store.load(),
            on_progress=on_progress,
        )
    samples = load(train_frames[:-1], n_samples)
    model = build_model(
        config.model,
        n_neurons=recording.n_neurons,
        activity_scale=float(samples.x.std()),
        generator=generator,
    )
    errors = fit_model(
        model,
        samples,
        search,
        n_update_coefficients=trainer.n_update_coefficients,
        ridge=trainer.ridge,
    )
    logger.info("relative errors of the MLPs, and ridge: %s", errors)
    step = len(store.history)
    name = f"checkpoint_{step:08d}.pt"
    record = provenance(
        config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
    )
    save_checkpoint(out / name, model, step=step, provenance=record)
    _write_history(out / "history.csv", store.history)
    return {
        "n_steps": step,
        "checkpoints": [{"file": name, "step": step}],
        "n_samples": n_samples,
        "n_search_samples": n_search,
        "held_out_error": search.best_error,
        "ridge": errors.pop("ridge"),
        "distillation_error": errors,
    }


class _Loader:
    """Reads evenly spread frames of the recording and their targets."""

    def __init__(self, recording: Recording, kind: Any, device: torch.device) -> None:
        self.recording, self.kind, self.device = recording, kind, device

    def __call__(self, frames: range, n_frames: int) -> Samples:
        chosen = frames.start + np.linspace(0, len(frames) - 1, n_frames).round().astype(int)
        x = self.recording.activity(chosen)
        y = target(self.recording, chosen, kind=self.kind)
        return Samples(*(torch.from_numpy(values).to(self.device) for values in (x, y)))


class _SearchStore:
    """Where a search stands, on disk."""

    def __init__(self, point: ResumePoint) -> None:
        self.point = point
        self.history: list[list[float]] = []

    def load(self) -> Search | None:
        content = self.point.load()
        if content is None:
            return None
        logger.info("going on from %s", self.point.path)
        self.history = content["history"]
        search = content["search"]
        states = {
            name: SearchState(
                **{**search[name], "coefficients": search[name]["coefficients"].numpy()}
            )
            for name in ("state", "best_state")
            if search[name] is not None
        }
        return Search(**{**search, "knots": search["knots"].numpy(), **states})

    def save(self, search: Search) -> None:
        if search.state is not None:
            state = search.state
            self.history.append(
                [
                    *(len(self.history) + 1, search.stage, search.start),
                    *(state.loss, state.damping, state.ridge),
                ]
            )
        plain = vars(search) | {
            "knots": torch.as_tensor(search.knots),
            "state": _plain(search.state),
            "best_state": _plain(search.best_state),
        }
        self.point.save({"search": plain, "history": self.history})


def _plain(state: SearchState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return vars(state) | {"coefficients": torch.as_tensor(state.coefficients)}


def _draw_receivers(n_neurons: int, n_receivers: int, generator: torch.Generator) -> torch.Tensor:
    order = torch.randperm(n_neurons, generator=generator)
    return order[: min(n_receivers, n_neurons)].sort().values


def _sample_sizes(trainer: VarproConfig, n_neurons: int, n_available: int) -> tuple[int, int]:
    """Frames of the search and of the solve, no more than there are.

    Raises:
        ValueError: If there are not more frames than unknowns of one row.
    """
    unknowns = n_neurons + trainer.n_update_coefficients
    n_available -= 1  # the last one has no successor on this side of the split
    if n_available <= unknowns:
        raise ValueError(
            f"the training stretch has {n_available} frames for {unknowns} unknowns per neuron "
            f"({n_neurons} weights and {trainer.n_update_coefficients} spline coefficients): "
            "record longer or lower trainer.n_update_coefficients"
        )
    search = trainer.n_search_samples or max(2000, min(3 * n_neurons, 6000), 3 * n_neurons // 2)
    solve = trainer.n_samples or max(5000, min(8 * n_neurons, 16_000), 2 * n_neurons)
    for key, wanted in (("n_search_samples", search), ("n_samples", solve)):
        if wanted <= unknowns:
            raise ValueError(
                f"trainer.{key} = {wanted} is not above the {unknowns} unknowns per neuron "
                f"({n_neurons} weights and {trainer.n_update_coefficients} spline coefficients)"
            )
    return min(search, n_available), min(solve, n_available)


def _write_history(path: Path, history: list[list[float]]) -> None:
    with atomic_path(path) as partial, Path(partial).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HISTORY)
        writer.writerows(history)
