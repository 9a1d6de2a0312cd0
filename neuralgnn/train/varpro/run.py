"""Variable projection on a recording: frames, seeds, resume points, checkpoint, history."""

__all__ = ["run_varpro"]

import csv
import logging
from dataclasses import fields, is_dataclass
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
from neuralgnn.train.varpro.grouped import fit_group_model
from neuralgnn.train.varpro.groups import GroupSearch, find_group_transfer
from neuralgnn.train.varpro.hidden import HiddenField
from neuralgnn.train.varpro.prune import prune_weights
from neuralgnn.train.varpro.search import SearchState
from neuralgnn.train.varpro.transfer import TransferSplines

logger = logging.getLogger(__name__)

_HELD_OUT_FRAMES = 1000
_HISTORY = ("step", "round", "stage", "start", "loss", "damping", "ridge")


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
    order = torch.randperm(recording.n_neurons, generator=generator)
    hidden = HiddenField.of(config, recording, device=device)
    if hidden is not None:
        order = hidden.without_driven(order)
    receivers = order[: trainer.n_receivers].sort().values
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
    train = load(train_frames[:-1], n_search)
    samples = load(train_frames[:-1], n_samples)
    by = config.model.transfer_input

    def prepare(samples: Samples, transfer: TransferSplines) -> Samples:
        if hidden is None:
            return samples
        return hidden.driven(samples, hidden.estimate(samples, transfer))

    with Progress("varpro search, at most", bound, show=progress) as bar:

        def on_progress(search: Search | GroupSearch) -> None:
            store.save(search)
            state = _current(search)
            if state is not None and state.iteration > 0:
                bar.to(len(store.history), stage=search.stage, loss=state.loss)

        search = find_transfer(
            train,
            held_out,
            receivers=receivers.to(device),
            # Splines that only have to tell groups of neurons apart stay coarse.
            n_coefficients=trainer.n_coefficients[: None if by == "activity" else 1],
            n_update_coefficients=trainer.n_update_coefficients,
            starts=trainer.starts,
            max_iterations=trainer.max_iterations,
            ridge=trainer.ridge,
            one_update=shared,
            search=store.load("shared"),
            on_progress=on_progress,
        )
        transfer, error = None, search.best_error
        if by != "activity":
            assert search.state is not None and search.knots is not None
            transfer, error = find_group_transfer(
                TransferSplines(
                    search.knots,
                    search.state.coefficients[None, None],
                    torch.zeros(recording.n_neurons, dtype=torch.long, device=device),
                    search.state.ridge if trainer.ridge is None else trainer.ridge,
                ),
                error,
                train=train,
                held_out=held_out,
                # Groups need no more; what drives neurons is estimated at them every time.
                solve=samples if hidden is None else train,
                by=by,
                order=order.to(device),
                n_receivers=trainer.n_receivers,
                n_coefficients=trainer.n_coefficients,
                n_update_coefficients=trainer.n_update_coefficients,
                n_latent=config.model.embedding_dim,
                max_groups=trainer.max_groups,
                min_share=trainer.min_group_share,
                max_iterations=trainer.max_iterations,
                ridge=trainer.ridge,
                prepare=prepare,
                search=store.load("groups"),
                on_progress=on_progress,
            )
    model = build_model(
        config.model,
        n_neurons=recording.n_neurons,
        activity_scale=float(samples.x.std()),
        generator=generator,
        n_frames=recording.n_frames,
    )
    n_update = trainer.n_update_coefficients
    if transfer is None:
        errors = fit_model(
            model, samples, search, n_update_coefficients=n_update, ridge=trainer.ridge
        )
    elif hidden is None:
        errors = fit_group_model(model, samples, transfer, n_update_coefficients=n_update)
    else:
        drive = hidden.estimate(train, transfer)
        drive = hidden.estimate(samples, transfer, start=drive)
        samples = hidden.driven(samples, drive)
        errors = fit_group_model(model, samples, transfer, n_update_coefficients=n_update)
        errors |= hidden.learn(model, samples, transfer, drive, generator=generator)
    logger.info("relative errors of the MLPs, and ridge: %s", errors)
    sparse = {}
    if trainer.sparse is not None:
        share = prune_weights(model, samples, ridge=errors["ridge"], **trainer.sparse.model_dump())
        logger.info("%.3g of the pairs are connected", share)
        sparse = {"connected_share": share}
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
        "held_out_error": error,
        "ridge": errors.pop("ridge"),
        "distillation_error": errors,
        **sparse,
    }


class _Loader:
    """Reads evenly spread frames of the recording and their targets."""

    def __init__(self, recording: Recording, kind: Any, device: torch.device) -> None:
        self.recording, self.kind, self.device = recording, kind, device

    def __call__(self, frames: range, n_frames: int) -> Samples:
        chosen = frames.start + np.linspace(0, len(frames) - 1, n_frames).round().astype(int)
        x = self.recording.activity(chosen)
        y = target(self.recording, chosen, kind=self.kind)
        return Samples(*(torch.from_numpy(v).to(self.device) for v in (x, y, chosen)))


class _SearchStore:
    """Where a search stands, on disk."""

    def __init__(self, point: ResumePoint) -> None:
        self.point = point
        self.history: list[list[float]] = []
        self.parts: dict[str, Any] = {}

    def load(self, part: str) -> Any:
        """A part of the search, ``shared`` or ``groups``; None if it has not been saved."""
        if not self.parts:
            content = self.point.load()
            if content is None:
                return None
            logger.info("going on from %s", self.point.path)
            self.history, self.parts = content["history"], content["parts"]
        return _restored(self.parts.get(part))

    def save(self, search: Search | GroupSearch) -> None:
        """Keeps where a search stands; a step of it becomes a row of the history."""
        state = _current(search)
        grouped = isinstance(search, GroupSearch)
        if state is not None and state.iteration > 0:
            place = (
                [search.round, search.stage, min(search.receiving, len(search.states) - 1)]
                if grouped
                else [0, search.stage, search.start]
            )
            numbers = (state.loss, state.damping, state.ridge)
            self.history.append([len(self.history) + 1, *place, *numbers])
        self.parts = self.parts | {"groups" if grouped else "shared": _plain(search)}
        self.point.save({"parts": self.parts, "history": self.history})


def _current(search: Search | GroupSearch) -> SearchState | None:
    """The state that the last step led to; None between searches."""
    if isinstance(search, Search):
        return search.state
    return search.states[search.receiving] if search.receiving < len(search.states) else None


_STORED = {each.__name__: each for each in (Search, SearchState, GroupSearch, TransferSplines)}


def _plain(value: Any) -> Any:
    """The same as dictionaries, lists, tensors and numbers."""
    if is_dataclass(value):
        content = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {"kind": type(value).__name__, "content": content}
    if isinstance(value, np.ndarray):
        return {"kind": "array", "content": torch.as_tensor(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _restored(value: Any) -> Any:
    """Undoes :func:`_plain`."""
    if isinstance(value, list):
        return tuple(_restored(each) for each in value)
    if not isinstance(value, dict):
        return value
    if value["kind"] == "array":
        return value["content"].numpy()
    content = {name: _restored(each) for name, each in value["content"].items()}
    return _STORED[value["kind"]](**content)


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
