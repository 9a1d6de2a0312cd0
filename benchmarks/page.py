"""The numbers of one run as a Markdown page."""

__all__ = ["Machine", "page"]

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

from benchmarks.fits import BASELINES, LEVELS
from benchmarks.run import Result, Scale

Row = tuple[str, ...]

_KNOWS = {
    "correlation": "knows nothing; symmetric and without a unit, hence no R²",
    "ridge VAR": "takes psi to be linear",
    "known psi": "is told psi and the form of phi: the ceiling of regression",
}


@dataclass(frozen=True)
class Machine:
    """Where and with what a run was made."""

    date: str
    cpu: str
    threads: int
    torch: str

    @classmethod
    def here(cls) -> Self:
        """This machine, today."""
        return cls(
            date=datetime.now(UTC).date().isoformat(),
            cpu=_cpu(),
            threads=torch.get_num_threads(),
            torch=version("torch"),
        )


def page(results: Mapping[str, Result], scale: Scale, machine: Machine) -> str:
    """The page; every ratio is between numbers of this one run."""
    parts = [
        "# Benchmarks",
        "Written by `make bench` (`python -m benchmarks --help` for other sizes). Look at the "
        "ratios: both sides of each were measured in this one run, while seconds depend on the "
        "machine and on what else it does. Every row but those of the bare product and the "
        "integration, which take turns in one process, comes from a process of its own; peak "
        "memory is the largest resident memory of that process, about 300 MiB of which PyTorch "
        "and the other libraries take.",
        _table(
            ("date", "cpu", "threads", "torch", "neurons", "frames", "seed"),
            [
                (
                    *(machine.date, machine.cpu, str(machine.threads), machine.torch),
                    *(str(n) for n in (scale.n_neurons, scale.n_frames, scale.seed)),
                )
            ],
        ),
        *_steps(results, scale),
        *_fits(results, scale),
        *_baselines(results),
        *_simulation(results, scale),
    ]
    return "\n\n".join(parts) + "\n"


def _steps(results: Mapping[str, Result], scale: Scale) -> list[str]:
    edge = results["step per edge"]
    small, usual = results["step per neuron, same batch"], results["step per neuron"]
    few, many = scale.edge_batch_size, scale.batch_size
    rows = [
        (f"per edge, batch {few}", edge, "phi and psi along every edge, as published"),
        (f"per neuron, batch {few}", small, "the same model and batch, one product with W"),
        (f"per neuron, batch {many}", usual, "the published batch"),
    ]
    return [
        "## Training step",
        "Forward, backward and Adam of the same network on random activity; median of "
        f"{max(1, scale.step_repeats // 10)} steps per edge and {scale.step_repeats} per neuron. "
        f"The per-edge step has batch {few}, since its memory grows with the batch "
        "(its peak is that of one step, most of it activations along edges).",
        _table(
            ("", "ms per step", "ms per frame", "per edge / this, per frame", "peak MiB", "is"),
            [
                (
                    name,
                    f"{1e3 * case['seconds']:.3g}",
                    f"{1e3 * case['seconds_per_frame']:.3g}",
                    _ratio(edge["seconds_per_frame"], case["seconds_per_frame"]),
                    f"{case['peak_mib']:.0f}",
                    meaning,
                )
                for name, case, meaning in rows
            ],
        ),
    ]


def _fits(results: Mapping[str, Result], scale: Scale) -> list[str]:
    varpro, sgd = results["varpro"], results["sgd"]
    rows = []
    for level in LEVELS:
        first, second = varpro["reached"][str(level)], sgd["reached"][str(level)]
        if first is None:
            ratio = "–"
        elif second is None:
            ratio = "> " + _ratio(sgd["seconds"], first)
        else:
            ratio = _ratio(second, first)
        rows.append((f"R² ≥ {level:g}", _reached(varpro, level), _reached(sgd, level), ratio))
    rows += [
        ("R² at the end", _r2(varpro["r2"]), _r2(sgd["r2"]), ""),
        ("seconds in all", *(f"{case['seconds']:.3g}" for case in (varpro, sgd)), ""),
        ("peak MiB", *(f"{case['peak_mib']:.0f}" for case in (varpro, sgd)), ""),
    ]
    return [
        "## Time to W",
        "R² is 1 − SSE/SST over all off-diagonal weights, learned and true in one gauge. `varpro` "
        "has W only when it is done, so that its time to any level is that of the whole fit. "
        f"`sgd` is judged at its checkpoints within {scale.sgd_steps} steps (`--sgd-steps` for "
        "another number), at the time that its share of the steps takes. Its learning rates fall "
        "over all its steps, so that these set the time to a level too; *not reached* means not "
        "within these steps, and the ratio is then a lower bound.",
        _table(("", "varpro, s", "sgd, s", "sgd / varpro"), rows),
    ]


def _baselines(results: Mapping[str, Result]) -> list[str]:
    varpro = results["varpro"]
    rows = [
        (
            name,
            _r2(results[name]["r2"]),
            _r2(results[name]["pearson2"]),
            f"{results[name]['seconds']:.3g}",
            _ratio(results[name]["seconds"], varpro["seconds"]),
            f"{results[name]['peak_mib']:.0f}",
            _KNOWS[name],
        )
        for name in BASELINES
    ]
    own = (f"{varpro['seconds']:.3g}", "1", f"{varpro['peak_mib']:.0f}")
    last = ("varpro", _r2(varpro["r2"]), _r2(varpro["pearson2"]), *own, "learns phi, psi, types")
    return [
        "## Baselines",
        f"The {varpro['n_samples']} frames of the recording above that varpro's last solve uses, "
        "with the same target. Each is brought to the gauge of the truth by what it takes psi "
        "to be; Pearson² is blind to scale and offset.",
        _table(
            ("", "R²", "Pearson²", "s", "this / varpro", "peak MiB", "what it is"), [*rows, last]
        ),
    ]


def _simulation(results: Mapping[str, Result], scale: Scale) -> list[str]:
    rates, whole = results["rates"], results["simulate"]
    rows = [
        ("product with W", rates["product"], rates, "one `torch.mv` a frame: the limit"),
        ("integration", rates["integration"], rates, "rate equation and Euler step, in memory"),
        ("`simulate`", whole["rate"], whole, "all, with drawing W and writing activity and drift"),
    ]
    return [
        "## Simulation",
        f"Frames per second of {scale.n_neurons} neurons. `simulate` covers burn-in and "
        f"{scale.n_frames} frames.",
        _table(
            ("", "frames/s", "share of the limit", "peak MiB", "what it is"),
            [
                (
                    name,
                    f"{rate:.0f}",
                    f"{rate / rates['product']:.2f}",
                    f"{case['peak_mib']:.0f}",
                    meaning,
                )
                for name, rate, case, meaning in rows
            ],
        ),
    ]


def _reached(case: Result, level: float) -> str:
    seconds: Any = case["reached"][str(level)]
    return "not reached" if seconds is None else f"{seconds:.3g}"


def _r2(value: float | None) -> str:
    """Three digits; near one, the three digits of what is missing."""
    if value is None:
        return "–"
    return f"1 − {1 - value:.1e}" if 0.999 < value < 1 else f"{value:.3f}"


def _ratio(slow: float, quick: float) -> str:
    ratio = slow / quick
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
