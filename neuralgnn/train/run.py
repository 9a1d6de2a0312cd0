"""From a recording to checkpoints: the one door to the trainers."""

__all__ = ["train", "train_part"]

import logging
import time
from pathlib import Path
from typing import Any

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, only_writer, provenance, remove_leftovers, write_json
from neuralgnn.data.cost import peak_mib
from neuralgnn.models.place import place

logger = logging.getLogger(__name__)


def train(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    progress: bool = True,
    parts: Path | None = None,
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
        parts: Folder of what jobs have made of this fit (:func:`train_part`), which is only put
            together then; None: everything is made here.

    Raises:
        ValueError: If the recording does not suit the fit, ``cuda`` is asked for and missing, or
            a part belongs to another fit.
        FileNotFoundError: If a part is missing.
        FloatingPointError: If the fit diverges.
        BlockingIOError: If another process fits into the same folder.
    """
    out, state = Path(out), Path(state)
    with only_writer(out):
        _train(recording, config, parts, out=out, state=state, seed=seed, progress=progress)


def train_part(
    recording: Recording,
    config: FitConfig,
    part: str,
    *,
    parts: Path,
    state: Path,
    seed: int,
    progress: bool = True,
) -> None:
    """Makes one part of a fit that is cut into jobs; :func:`train` puts them together.

    Args:
        recording: Activity to fit.
        config: Target, model, trainer, with ``trainer.scatter``.
        part: Name of the part, see :class:`neuralgnn.config.scatter.Plan`.
        parts: Folder of the parts, this one's file ``<part>.pt`` among them.
        state: Folder that a killed search leaves what it resumes from in.
        seed: Seed of everything random in the fit.
        progress: Whether to show how far the part is.

    Raises:
        ValueError: If the fit has no such part or is made in one job, the recording does not
            suit it, or a part that this one needs belongs to another fit.
        FileNotFoundError: If a part that this one needs is missing.
        BlockingIOError: If another process makes the same part.
    """
    from neuralgnn.train.varpro import make_part

    parts, state = Path(parts), Path(state)
    device = place(config.device)
    logger.info("part %s of the fit of %s on %s", part, recording, device)
    with only_writer(parts / part):
        make_part(
            recording,
            config,
            part,
            parts=parts,
            state=state,
            seed=seed,
            device=device,
            progress=progress,
        )
    remove_leftovers(parts)


def _train(
    recording: Recording,
    config: FitConfig,
    parts: Path | None,
    *,
    out: Path,
    state: Path,
    seed: int,
    progress: bool,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "training.json").unlink(missing_ok=True)  # it vouches for what lies beside it
    for old in out.glob("checkpoint_*.pt"):
        old.unlink()  # of a fit with other settings, perhaps: nobody would know later
    device = place(config.device)
    logger.info("fitting %s with %s on %s", recording, config.trainer.kind, device)
    if parts is not None and config.trainer.kind != "varpro":
        raise ValueError(
            f"trainer.kind is {config.trainer.kind!r}: only fits of 'varpro' are made in parts"
        )
    if config.trainer.kind == "varpro":
        from neuralgnn.train.varpro import run_varpro as run
    elif config.trainer.kind == "varpro_graph":
        from neuralgnn.train.varpro.sparse_run import run_graph_varpro as run
    else:
        from neuralgnn.train.sgd import run_sgd as run
    began = time.monotonic()
    given: dict[str, Any] = {} if parts is None else {"parts": parts}
    result = run(
        recording,
        config,
        out=out,
        state=state,
        seed=seed,
        device=device,
        progress=progress,
        **given,
    )
    # The seconds before a kill and those of other jobs count too, where the trainer kept them.
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
