"""From a recording to checkpoints: the one door to the trainers."""

__all__ = ["train", "train_part", "train_together"]

import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

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


def train_together(
    recordings: Sequence[Recording],
    config: FitConfig,
    *,
    outs: Sequence[Path],
    state: Path,
    seeds: Sequence[int],
    progress: bool = True,
) -> None:
    """Fits recordings of one experiment, each from its own seed, at the same time on one device.

    Leaves for each what :func:`train` leaves, with the seeds that were fitted ``together``. Fits
    by ``sgd`` are one loop over one batch of all seeds; others run beside each other on CUDA,
    each on a stream of its own, and one after the other elsewhere.

    Args:
        recordings: Activity to fit, one for each seed.
        config: Target, model, trainer.
        outs: Folder for the results of each.
        state: Folder that a killed run leaves what it resumes from in; removed at the end.
        seeds: Seed of everything random in each fit.
        progress: Whether to show how far the fits are.

    Raises:
        ValueError: If a recording does not suit the fit or ``cuda`` is asked for and missing.
        FloatingPointError: If a fit diverges.
        BlockingIOError: If another process fits into one of the folders.
    """
    outs, state = [Path(out) for out in outs], Path(state)
    with ExitStack() as held:
        for out in outs:
            held.enter_context(only_writer(out))
        for out in outs:
            _make_room(out)
        device = place(config.device)
        logger.info("fitting %d seeds with %s on %s", len(seeds), config.trainer.kind, device)
        if config.trainer.kind == "sgd":
            from neuralgnn.train.sgd import run_sgd_together as run
        else:
            run = _run_side_by_side
        began = time.monotonic()
        results = run(
            recordings,
            config,
            outs=outs,
            states=[state / f"seed_{seed}" for seed in seeds],
            seeds=seeds,
            device=device,
            progress=progress,
        )
        took = time.monotonic() - began
        for recording, out, seed, result in zip(recordings, outs, seeds, results, strict=True):
            seconds = max(took, result.get("loop_seconds", 0.0))
            record = {"seconds": seconds, "together": list(seeds), **result}
            _conclude(recording, config, record, out=out, seed=seed, device=device)
        for folder in (*state.glob("seed_*"), state):
            _clear(folder)


def _run_side_by_side(
    recordings: Sequence[Recording],
    config: FitConfig,
    *,
    outs: Sequence[Path],
    states: Sequence[Path],
    seeds: Sequence[int],
    device: torch.device,
    progress: bool,
) -> list[dict[str, Any]]:
    """Fits at the same time on CUDA, on a stream each; elsewhere one after the other."""
    run = _runner(config)

    def fit(recording: Recording, out: Path, state: Path, seed: int) -> dict[str, Any]:
        began = time.monotonic()
        result = run(
            recording,
            config,
            out=out,
            state=state,
            seed=seed,
            device=device,
            progress=progress,
        )
        return {"seconds": time.monotonic() - began, **result}

    def fit_on_stream(*of_seed: Any) -> dict[str, Any]:
        stream = torch.cuda.Stream(device)
        with torch.cuda.stream(stream):
            result = fit(*of_seed)
            stream.synchronize()
        return result

    each = list(zip(recordings, outs, states, seeds, strict=True))
    if device.type != "cuda":
        return [fit(*of_seed) for of_seed in each]
    with ThreadPoolExecutor(len(each)) as pool:
        jobs = [
            pool.submit(contextvars.copy_context().run, fit_on_stream, *of_seed)
            for of_seed in each
        ]
        return [job.result() for job in jobs]


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
    _make_room(out)
    device = place(config.device)
    logger.info("fitting %s with %s on %s", recording, config.trainer.kind, device)
    if parts is not None and config.trainer.kind != "varpro":
        raise ValueError(
            f"trainer.kind is {config.trainer.kind!r}: only fits of 'varpro' are made in parts"
        )
    began = time.monotonic()
    given: dict[str, Any] = {} if parts is None else {"parts": parts}
    result = _runner(config)(
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
    _conclude(recording, config, {"seconds": seconds, **result}, out=out, seed=seed, device=device)
    _clear(state)


def _runner(config: FitConfig) -> Callable[..., dict[str, Any]]:
    """What fits a single recording."""
    if config.trainer.kind == "varpro":
        from neuralgnn.train.varpro import run_varpro

        return run_varpro
    if config.trainer.kind == "varpro_graph":
        from neuralgnn.train.varpro.sparse_run import run_graph_varpro

        return run_graph_varpro
    from neuralgnn.train.sgd import run_sgd

    return run_sgd


def _make_room(out: Path) -> None:
    """Takes away what an earlier fit left, first what vouches for it."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "training.json").unlink(missing_ok=True)
    for old in out.glob("checkpoint_*.pt"):
        old.unlink()  # of a fit with other settings, perhaps: nobody would know later


def _conclude(
    recording: Recording,
    config: FitConfig,
    result: dict[str, Any],
    *,
    out: Path,
    seed: int,
    device: torch.device,
) -> None:
    """Writes the file that vouches for a fit."""
    write_json(
        out / "training.json",
        {
            "trainer": config.trainer.kind,
            "target": config.target.kind,
            "seed": seed,
            "device": str(device),
            "peak_mib": peak_mib(),
            **result,
            "provenance": provenance(
                config.model_dump(mode="json"), recording=recording.digest, seed=seed
            ),
        },
    )
    remove_leftovers(out)


def _clear(state: Path) -> None:
    """Removes resume points and leftovers, and the folder unless it holds anything else."""
    remove_leftovers(state)
    for file in state.glob("*.pt"):
        file.unlink()
    if state.is_dir() and not any(state.iterdir()):
        state.rmdir()
