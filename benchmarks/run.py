"""All cases, one after the other, each in a process of its own so that its memory is its own."""

__all__ = ["Scale", "isolated", "measure"]

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import fits, simulation, steps
from neuralgnn.config import load_experiment
from neuralgnn.data.cost import peak_mib

Result = dict[str, Any]
Runner = Callable[..., Result]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the benchmark is.

    Attributes:
        n_neurons: Number of neurons.
        n_frames: Frames of the recording.
        sgd_steps: Gradient steps of ``sgd``.
        batch_size: Frames per per-neuron step that is timed.
        edge_batch_size: Frames per per-edge step that is timed.
        step_repeats: Steps timed, per neuron; per edge a tenth of them.
        seed: Seed of simulation and fits.
        overrides: More settings of the experiment, by dotted key.
    """

    n_neurons: int = 1000
    n_frames: int = 100_000
    sgd_steps: int = 4500
    batch_size: int = 8
    edge_batch_size: int = 1
    step_repeats: int = 30
    seed: int = 42
    overrides: Mapping[str, Any] = field(default_factory=dict)


def measure(scale: Scale, *, experiment: Path, run: Runner | None = None) -> dict[str, Result]:
    """Runs every case.

    Args:
        scale: How large.
        experiment: Experiment file with fits ``varpro`` and ``sgd``.
        run: Calls a function with keyword arguments and returns what it returns, with
            ``peak_mib``; None: :func:`isolated`.

    Returns:
        What each case returned, by its name.
    """
    run = run or isolated
    config = load_experiment(experiment, _overrides(scale))
    results: dict[str, Result] = {}

    def case(name: str, function: Callable[..., Result], *args: Any, **more: Any) -> Result:
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        began = time.monotonic()
        results[name] = run(function, *args, **more)
        spent, peak = time.monotonic() - began, results[name]["peak_mib"]
        print(f"{spent:.0f} s, {peak:.0f} MiB", file=sys.stderr)
        return results[name]

    for name, batch_size, per_edge in (
        ("step per edge", scale.edge_batch_size, True),
        ("step per neuron, same batch", scale.edge_batch_size, False),
        ("step per neuron", scale.batch_size, False),
    ):
        n_steps = max(1, scale.step_repeats // 10) if per_edge else scale.step_repeats
        more = {"n_neurons": scale.n_neurons, "batch_size": batch_size, "n_steps": n_steps}
        case(name, steps.training_step, config.fits["sgd"], per_edge=per_edge, **more)
    with tempfile.TemporaryDirectory(prefix="neuralgnn_bench_") as scratch:
        path = Path(scratch) / "activity.zarr"
        case("simulate", simulation.make_recording, config.simulation, path, seed=scale.seed)
        case("rates", simulation.simulation_rates, path)
        for name in ("varpro", "sgd"):
            out = Path(scratch) / name
            case(name, fits.fit_model, path, config.fits[name], out=out, seed=scale.seed)
        more = {"n_samples": results["varpro"]["n_samples"]}
        for name in fits.BASELINES:
            case(name, fits.fit_baseline, path, config.fits["varpro"], method=name, **more)
    return results


def isolated(function: Callable[..., Result], *args: Any, **more: Any) -> Result:
    """Calls a function in a fresh process; adds ``peak_mib`` unless the function says it."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(_with_peak, function, *args, **more).result()


def _with_peak(function: Callable[..., Result], *args: Any, **more: Any) -> Result:
    result = function(*args, **more)
    return {"peak_mib": peak_mib(), **result}


def _overrides(scale: Scale) -> dict[str, Any]:
    fits = ("varpro", "sgd")
    return {
        "simulation.n_neurons": scale.n_neurons,
        "simulation.n_frames": scale.n_frames,
        "fits.sgd.trainer.n_steps": scale.sgd_steps,
        "fits.sgd.trainer.checkpoint_every": max(1, scale.sgd_steps // 40),
        # Nothing is rolled out here, so a short recording will do.
        "analysis.rollout": {"n_starts": 1, "n_frames": 1, "report_frames": [1]},
        **{f"fits.{name}.device": "cpu" for name in fits},
        **scale.overrides,
    }
