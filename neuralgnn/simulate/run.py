"""Simulates an assembly and records it, shard by shard. Axes: T frames, N neurons."""

__all__ = ["simulate"]

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data.provenance import code_digest, digest, provenance
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.writer import RecordingWriter
from neuralgnn.simulate.connectivity import draw_weights
from neuralgnn.simulate.integrate import euler_maruyama
from neuralgnn.simulate.movie import make_movie
from neuralgnn.simulate.noise import step_std, torch_generator
from neuralgnn.simulate.rate import RateEquation, assign_types
from neuralgnn.simulate.record import record
from neuralgnn.simulate.stimulus import Stimulus
from neuralgnn.simulate.truth import truth_dataset

_BURN_IN_BLOCK = 1000


def simulate(
    config: SimulationConfig,
    path: str | Path,
    *,
    seed: int,
    device: str = "cpu",
    progress: bool = True,
    shard_frames: int | None = None,
) -> None:
    """Simulates an assembly and leaves a recording with its truth at ``path``.

    A killed run, called again, continues after its last finished shard and ends in the same
    bytes. They follow from configuration, seed, code and device; another number of threads may
    add up the products with W in another order, so a run is only continued with the same number.

    Weights, initial activity, noise and a synthetic movie have generators of their own, derived
    from ``seed``.

    Args:
        config: The assembly and how long it is recorded.
        path: Folder of the recording.
        seed: Seed of everything random.
        device: Where to compute, ``cpu`` or ``cuda``.
        progress: Whether to show a progress bar on a terminal.
        shard_frames: Frames per file, and between points that a killed run continues from;
            None: some 8 MB of activity.

    Raises:
        FileNotFoundError: If there is no connectivity or movie file.
        ValueError: If the connectivity or movie file does not fit.
        MemoryError: If the weights do not fit into memory.
        OSError: If the recording does not fit on the disk, ``path`` cannot be replaced, or another
            process writes it.
        FloatingPointError: If the activity stops being finite.
    """
    with only_writer(Path(path)):
        _simulate(
            config, path, seed=seed, device=device, progress=progress, shard_frames=shard_frames
        )


def _simulate(
    config: SimulationConfig,
    path: str | Path,
    *,
    seed: int,
    device: str,
    progress: bool,
    shard_frames: int | None,
) -> None:
    _check_memory(config.n_neurons)
    weight = draw_weights(config.connectivity, n_neurons=config.n_neurons, seed=seed)
    equation = RateEquation.from_config(config, weight)
    stimulus = _stimulus(config, seed=seed)
    writer = RecordingWriter(
        path,
        n_frames=config.n_frames,
        n_neurons=config.n_neurons,
        dt=config.dt,
        has_drift=config.record_drift,
        attrs={
            "seed": seed,
            "provenance": provenance(config.model_dump(mode="json"), stamp=False),
        },
        key=_resume_key(config, weight, stimulus, seed=seed, device=device),
        shard_frames=shard_frames,
    )
    run = _Run(config, equation.to(device=device), stimulus, seed=seed, device=device)
    if writer.resume_frame:
        run.restore(writer.resume_state)
    else:
        run.burn_in()
    record(run, writer, progress=progress)
    types = assign_types(config.n_neurons, len(config.neuron_types))
    writer.close(truth_dataset(equation, types, low=run.low, high=run.high, stimulus=stimulus))


class _Run:
    """The moving parts of a simulation: activity, noise generator, range visited so far."""

    def __init__(
        self,
        config: SimulationConfig,
        equation: RateEquation,
        stimulus: Stimulus | None,
        *,
        seed: int,
        device: str,
    ) -> None:
        for_initial, for_noise = np.random.SeedSequence(seed).spawn(2)
        self.config, self.equation, self.device = config, equation, device
        self.stimulus = stimulus
        self.generator = torch_generator(for_noise)
        x = torch.randn(config.n_neurons, generator=torch_generator(for_initial))
        self.x = (config.initial_std * x).to(device)
        self.step_std = step_std(config.noise, dt=config.dt)
        self.low, self.high = np.inf, -np.inf

    def burn_in(self) -> None:
        """Advances to frame 0 without recording."""
        for first in range(-self.config.burn_in, 0, _BURN_IN_BLOCK):
            n_steps = min(_BURN_IN_BLOCK, -first)
            scratch = torch.empty(n_steps, self.config.n_neurons, device=self.device)
            self._advance(scratch, None, first_frame=first)

    def record(
        self, n_frames: int, *, first_frame: int
    ) -> tuple[Float32[np.ndarray, "T N"], Float32[np.ndarray, "T N"] | None]:
        """The next frames, and their drift if the configuration asks for it."""
        activity = torch.empty(n_frames, self.config.n_neurons, device=self.device)
        rate = torch.empty_like(activity) if self.config.record_drift else None
        self._advance(activity, rate, first_frame=first_frame)
        self.low = min(self.low, float(activity.min()))
        self.high = max(self.high, float(activity.max()))
        return activity.cpu().numpy(), None if rate is None else rate.cpu().numpy()

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs to go on from here."""
        return {
            "x": self.x.cpu().numpy(),
            "generator": self.generator.get_state().numpy(),
            "range": np.array([self.low, self.high]),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.x = torch.from_numpy(state["x"]).to(self.device)
        self.generator.set_state(torch.from_numpy(state["generator"]))
        self.low, self.high = state["range"].tolist()

    def _advance(self, activity: Tensor, rate: Tensor | None, *, first_frame: int) -> None:
        for start, stop, equation in self._equations(first_frame, first_frame + len(activity)):
            rows = slice(start - first_frame, stop - first_frame)
            self.x = euler_maruyama(
                equation,
                self.x,
                dt=self.config.dt,
                activity=activity[rows],
                rate=None if rate is None else rate[rows],
                step_std=self.step_std,
                generator=self.generator,
                first_frame=start,
            )

    def _equations(self, start: int, stop: int) -> Iterator[tuple[int, int, RateEquation]]:
        """Stretches of frames with one equation each: one for every frame of a movie."""
        if self.stimulus is None:
            yield start, stop, self.equation
            return
        for begin, end, shown in self.stimulus.segments(start, stop):
            yield begin, end, self.stimulus.driven(self.equation, shown)


def _stimulus(config: SimulationConfig, *, seed: int) -> Stimulus | None:
    if config.external_input.kind == "none":
        return None
    return Stimulus.from_config(
        config.external_input,
        make_movie(config.external_input, seed=seed),
        n_neurons=config.n_neurons,
        n_frames=config.n_frames,
    )


def _resume_key(
    config: SimulationConfig,
    weight: Float[np.ndarray, "N N"],
    stimulus: Stimulus | None,
    *,
    seed: int,
    device: str,
) -> str:
    return digest(
        {
            "config": config.model_dump(mode="json"),
            "seed": seed,
            "weight": _sha256(weight),  # a connectivity or movie file may have changed
            "movie": None if stimulus is None else _sha256(stimulus.movie),
            "device": device,
            "threads": torch.get_num_threads(),
            "versions": provenance(stamp=False)["versions"],
            "code": code_digest("neuralgnn.simulate", "neuralgnn.data"),
        }
    )


def _sha256(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def _check_memory(n_neurons: int) -> None:
    needed = 2 * 4 * n_neurons**2  # the weights, and a copy while they are read or written
    available = _available_memory()
    if needed > available:
        raise MemoryError(
            f"{n_neurons} x {n_neurons} weights need {needed / 2**30:.2f} GiB of memory, but "
            f"{available / 2**30:.2f} GiB are available; take fewer neurons or a larger machine"
        )


def _available_memory() -> int:
    """Memory that a new allocation can have [byte], within the limits of a container or job."""
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
    if not meminfo.exists():  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
    available = 1024 * int(lines["MemAvailable"].split()[0])
    with suppress(OSError, ValueError):  # no limit: no such file, or "max"
        limit = int((group / "memory.max").read_text())
        available = min(available, limit - int((group / "memory.current").read_text()))
    return available
