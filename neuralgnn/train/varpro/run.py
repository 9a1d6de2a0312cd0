"""Variable projection on a recording: frames, seeds, resume points, checkpoint, history."""

__all__ = ["make_part", "run_varpro"]

import logging
import time
from pathlib import Path
from typing import Any

import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, provenance
from neuralgnn.models import save_checkpoint
from neuralgnn.train.varpro.recording_fit import COLUMNS, RecordingFit
from neuralgnn.train.varpro.search_store import write_history

logger = logging.getLogger(__name__)


def run_varpro(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
    parts: Path | None = None,
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
        parts: Folder of what other jobs have made of this fit (:func:`make_part`), to be put
            together; None: all is made here.

    Returns:
        ``n_steps``, ``checkpoints`` (file and step of each) and numbers of the fit.

    Raises:
        ValueError: If the recording is too short, its activity does not determine W, or a part
            belongs to another fit.
        FileNotFoundError: If a part is missing.
    """
    fit = RecordingFit(recording, config, state=state, seed=seed, device=device, progress=progress)
    made, took = fit.made_of(parts) if parts is not None else (fit.made(), {})
    logger.info("relative errors of the MLPs, and ridge: %s", made.errors)
    sparse = fit.pruned(made) if fit.trainer.sparse is not None else {}
    step = len(made.history)
    name = f"checkpoint_{step:08d}.pt"
    record = provenance(
        config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
    )
    save_checkpoint(out / name, made.model, step=step, provenance=record)
    write_history(out / "history.csv", COLUMNS, made.history)
    left_out = {} if made.n_left_out is None else {"n_samples_left_out": made.n_left_out}
    return {
        "n_steps": step,
        "checkpoints": [{"file": name, "step": step}],
        "n_samples": fit.n_samples,
        "n_search_samples": fit.n_search,
        "held_out_error": made.held_out_error,
        "ridge": made.errors["ridge"],
        "distillation_error": {k: v for k, v in made.errors.items() if k != "ridge"},
        **left_out,
        **took,
        **sparse,
    }


def make_part(
    recording: Recording,
    config: FitConfig,
    part: str,
    *,
    parts: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
) -> None:
    """Makes one part of a fit that is cut into jobs, and leaves its product in a folder.

    Args:
        recording: Activity to fit.
        config: Settings; the trainer section is varpro's.
        part: Name of the part, see :class:`Plan`.
        parts: Folder of the parts that it needs, and of its own product.
        state: Folder for the resume point of the search.
        seed: Seed of the fit.
        device: Where to compute.
        progress: Whether to show a bar.

    Raises:
        ValueError: If the fit has no such part or is made in one job, a part that this one needs
            belongs to another fit, or the activity does not determine W.
        FileNotFoundError: If a part that this one needs is missing.
    """
    began = time.monotonic()
    fit = RecordingFit(recording, config, state=state, seed=seed, device=device, progress=progress)
    plan, files = fit.plan, fit.files(parts)
    needed = {name: files.load(name) for name in plan.needs(part)}
    made = fit.find() if part == "find" else fit.maker(plan).make(part, needed)
    files.save(part, made, seconds=time.monotonic() - began)
    logger.info("%s: made in %.1f s", files.path(part), time.monotonic() - began)
