"""From a recording to checkpoints: the one door to the trainers."""

__all__ = ["train"]

import logging
import time
from pathlib import Path
from typing import Literal

import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, only_writer, provenance, remove_leftovers, write_json
from neuralgnn.train.memory import peak_mib

logger = logging.getLogger(__name__)


def train(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    progress: bool = True,
) -> None:
    """Fits a model to a recording; its truth is not opened.

    Leaves ``checkpoint_*.pt``, ``history.csv`` and, written last, ``training.json`` in ``out``.

    Args:
        recording: Activity to fit.
        config: Target, model, trainer.
        out: Folder for the results.
        state: Folder that a killed run leaves what it resumes from in; removed at the end.
        seed: Seed of everything random in the fit.
        progress: Whether to show how far the fit is.

    Raises:
        ValueError: If the recording does not suit the fit, or ``cuda`` is asked for and missing.
        FloatingPointError: If the fit diverges.
        BlockingIOError: If another process fits into the same folder.
    """
    out, state = Path(out), Path(state)
    with only_writer(out):
        _train(recording, config, out=out, state=state, seed=seed, progress=progress)


def _train(
    recording: Recording, config: FitConfig, *, out: Path, state: Path, seed: int, progress: bool
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "training.json").unlink(missing_ok=True)  # it vouches for what lies beside it
    for old in out.glob("checkpoint_*.pt"):
        old.unlink()  # of a fit with other settings, perhaps: nobody would know later
    device = place(config.device)
    logger.info("fitting %s with %s on %s", recording, config.trainer.kind, device)
    if config.trainer.kind == "varpro":
        from neuralgnn.train.varpro import run_varpro as run
    elif config.trainer.kind == "varpro_graph":
        from neuralgnn.train.varpro.sparse_run import run_graph_varpro as run
    else:
        from neuralgnn.train.sgd import run_sgd as run
    began = time.monotonic()
    result = run(
        recording, config, out=out, state=state, seed=seed, device=device, progress=progress
    )
    # A resumed run counts the seconds before the kill too, where its trainer kept them.
    seconds = max(time.monotonic() - began, result.get("loop_seconds", 0.0))
    write_json(
        out / "training.json",
        {
            "trainer": config.trainer.kind,
            "target": config.target.kind,
            "seed": seed,
            "device": str(device),
            "seconds": seconds,
            "peak_mib": peak_mib(),
            **result,
            "provenance": provenance(
                config.model_dump(mode="json"), recording=recording.digest, seed=seed
            ),
        },
    )
    remove_leftovers(out)
    _clear(state)


def _clear(state: Path) -> None:
    """Removes resume points and leftovers, and the folder unless it holds anything else."""
    remove_leftovers(state)
    for file in state.glob("*.pt"):
        file.unlink()
    if state.is_dir() and not any(state.iterdir()):
        state.rmdir()


def place(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to compute on; ``auto`` takes CUDA when there is one.

    Raises:
        ValueError: If ``cuda`` is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError(
            "device is 'cuda', but PyTorch finds no CUDA device; use 'auto' or 'cpu', or install "
            "a CUDA build of torch"
        )
    return torch.device("cuda" if device != "cpu" and available else "cpu")
