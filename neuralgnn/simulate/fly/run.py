"""Simulates the fly visual system and records it. Axes: T frames, N neurons, P inputs."""

__all__ = ["simulate_fly"]

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from neuralgnn.config.fly import Ablation, FlyConfig, InitialState
from neuralgnn.data.graph import Graph
from neuralgnn.data.provenance import code_digest, digest, provenance
from neuralgnn.data.stimulus import Stimulus
from neuralgnn.data.writer import RecordingWriter
from neuralgnn.simulate.fly.connectome import Connectome, compile_connectome
from neuralgnn.simulate.fly.equation import FlyEquation
from neuralgnn.simulate.fly.parameters import Biophysics, biophysics
from neuralgnn.simulate.fly.perturb import Network, perturb
from neuralgnn.simulate.fly.stimulus import draw_stimulus
from neuralgnn.simulate.fly.truth import truth_dataset
from neuralgnn.simulate.integrate import euler_maruyama
from neuralgnn.simulate.noise import step_std, torch_generator
from neuralgnn.simulate.record import record

_GREY = 0.5
_BYTES_PER_EDGE = 48  # graph and truth, uncompressed

_log = logging.getLogger(__name__)


def simulate_fly(
    config: FlyConfig,
    path: str | Path,
    *,
    seed: int,
    test: bool = False,
    ablation: float | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    shard_frames: int | None = None,
) -> None:
    """Simulates the fly visual system and leaves a recording with graph, stimulus and truth.

    A killed run, called again, continues after its last finished shard and ends in the same
    bytes, which follow from configuration, seed, files it names, code and versions.

    Parameters, perturbation, stimulus, process and measurement noise have generators of their
    own, all derived from ``seed``; the test recording has another stimulus and noise.

    Args:
        config: The network, what it sees, and how long it is recorded.
        path: Folder of the recording.
        seed: Seed of everything random.
        test: Whether to record the test part: held-out stimuli, ``n_test_frames``,
            ``test_noise``, no measurement noise.
        ablation: Share of the edges that are silent in a test recording; which ones follows from
            the seed.
        device: Where to compute. Noise is drawn on the CPU and is the same everywhere, while
            rounding is not.
        progress: Whether to show a progress bar on a terminal.
        shard_frames: Frames per file, and between points that a killed run continues from;
            None: some 8 MB of activity.

    Raises:
        FileNotFoundError: If connectome, checkpoint or stimulus files are missing.
        ValueError: If one of them cannot be used, dt is too long for the time constants, or
            edges are to be silent in a recording that is not a test.
        OSError: If the recording does not fit on the disk, or ``path`` cannot be replaced.
        FloatingPointError: If the activity stops being finite.
    """
    if ablation is not None:
        config = _ablated(config, ablation, test=test)
    setup = _Setup.make(config, seed=seed, test=test)
    writer = RecordingWriter(
        path,
        n_frames=setup.n_frames,
        n_neurons=setup.equation.n_neurons,
        dt=config.dt,
        has_drift=config.record_drift,
        attrs={
            "seed": seed,
            "part": "test" if test else "train",
            "provenance": provenance(config.model_dump(mode="json"), stamp=False),
        },
        time_unit="s",
        key=_resume_key(config, setup, seed=seed, test=test, device=torch.device(device).type),
        shard_frames=shard_frames,
        beside_bytes=_BYTES_PER_EDGE * len(setup.model.pre) + setup.stimulus.values.nbytes,
    )
    run = _Run(config, setup, torch.device(device))
    if writer.resume_frame:
        run.restore(writer.resume_state)
    record(run, writer, progress=progress)
    connectome, equation = setup.connectome, setup.equation
    writer.close(
        truth_dataset(
            connectome,
            simulated=setup.simulated,
            model=setup.model,
            time_constant=equation.time_constant.numpy(),
            resting_potential=equation.resting_potential.numpy(),
        ),
        graph=Graph(
            pre=setup.model.pre,
            post=setup.model.post,
            n_neurons=connectome.n_cells,
            u=connectome.u,
            v=connectome.v,
        ),
        stimulus=setup.stimulus,
    )


def _ablated(config: FlyConfig, ablation: float, *, test: bool) -> FlyConfig:
    """The same with a share of the edges silent."""
    if not test or config.perturbation.kind != "none":
        raise ValueError(
            f"ablation = {ablation:g} is for a test recording of the whole network; found "
            f"test = {test}, perturbation.kind = {config.perturbation.kind!r}"
        )
    changes = {"perturbation": Ablation(kind="ablation", fraction=ablation)}
    return config.model_copy(update=changes)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Setup:
    """What is simulated: network, equation, stimulus, noise."""

    connectome: Connectome
    simulated: Network
    model: Network
    equation: FlyEquation
    stimulus: Stimulus
    n_frames: int
    noise_std: float
    measurement_std: float
    for_state: np.random.SeedSequence
    for_noise: np.random.SeedSequence
    for_measurement: np.random.SeedSequence

    @classmethod
    def make(cls, config: FlyConfig, *, seed: int, test: bool) -> "_Setup":
        seeds = np.random.SeedSequence(seed).spawn(10)
        for_parameters, for_graph = seeds[:2]
        for_stimulus, for_noise, for_measurement = seeds[2 + 3 * test :][:3]
        for_state = seeds[8 + test]
        connectome = compile_connectome(config.extent, n_syn_fill=config.n_syn_fill)
        parameters = biophysics(
            config.parameters, connectome, generator=np.random.default_rng(for_parameters)
        )
        simulated, model = perturb(
            config.perturbation,
            connectome,
            parameters.weight,
            generator=np.random.default_rng(for_graph),
        )
        _log.info("%d cells, %d edges", connectome.n_cells, len(simulated.pre))
        n_frames = config.n_test_frames if test else config.n_frames
        show = draw_stimulus(
            config.stimulus,
            extent=config.extent,
            n_frames=n_frames,
            dt=config.dt,
            test=test,
            generator=np.random.default_rng(for_stimulus),
        )
        cells = connectome.input_cells
        centre = connectome.types.index(connectome.input_types[0])
        columns = np.flatnonzero(connectome.type == centre)  # one cell per column, in their order
        where = {at: number for number, at in enumerate(_uv(connectome, columns))}
        return cls(
            connectome=connectome,
            simulated=simulated,
            model=model,
            equation=_equation(config, connectome, simulated, parameters),
            stimulus=Stimulus(
                values=show.values,
                frame=show.frame,
                input_neuron=cells,
                input_channel=np.array([where[at] for at in _uv(connectome, cells)]),
            ),
            n_frames=n_frames,
            noise_std=step_std(config.test_noise if test else config.noise, dt=config.dt),
            measurement_std=0.0
            if test or config.measurement.kind == "none"
            else config.measurement.std,
            for_state=for_state,
            for_noise=for_noise,
            for_measurement=for_measurement,
        )


class _Run:
    """The moving parts: voltages, noise generators, measurement noise of the next frame."""

    def __init__(self, config: FlyConfig, setup: _Setup, device: torch.device) -> None:
        self.config, self.setup, self.device = config, setup, device
        self.equation = setup.equation.to(device)
        self.noise = torch_generator(setup.for_noise)
        self.measurement = np.random.default_rng(setup.for_measurement)
        self.inputs = torch.from_numpy(setup.stimulus.input_neuron).to(device)
        self.v = self._first(config.initial_state)
        self.measured = self._draw_measurement(1)[0]

    def _first(self, state: InitialState) -> Float[Tensor, " N"]:
        """Voltages at the first frame."""
        equation, dt = self.equation, self.config.dt
        if state.kind == "steady_state":
            grey = torch.zeros_like(equation.resting_potential)
            grey[self.inputs] = _GREY
            return equation.steady_state(grey, dt=dt, n_steps=round(state.duration / dt))
        generator = np.random.default_rng(self.setup.for_state)
        deviate = generator.standard_normal(equation.n_neurons, dtype=np.float32)
        scatter = torch.from_numpy(np.float32(state.std) * deviate)
        return equation.resting_potential + scatter.to(self.device)

    def record(
        self, n_frames: int, *, first_frame: int
    ) -> tuple[Float32[np.ndarray, "T N"], Float32[np.ndarray, "T N"] | None]:
        """The next frames, and their drift if the configuration asks for it."""
        setup = self.setup
        activity = torch.empty(n_frames, setup.equation.n_neurons, device=self.device)
        rate = torch.empty_like(activity) if self.config.record_drift else None
        shown = setup.stimulus.channels(slice(first_frame, first_frame + n_frames))
        external = torch.zeros_like(activity)
        light = torch.from_numpy(shown[:, setup.stimulus.input_channel])
        external[:, self.inputs] = light.to(external)
        self.v = euler_maruyama(
            self.equation,
            self.v,
            dt=self.config.dt,
            activity=activity,
            rate=rate,
            inputs=external,
            step_std=setup.noise_std,
            generator=self.noise,
            first_frame=first_frame,
        )
        found = activity.cpu().numpy(), None if rate is None else rate.cpu().numpy()
        if setup.measurement_std:
            self._measure(*found, last=first_frame + n_frames == setup.n_frames)
        return found

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs to go on from here."""
        return {
            "v": self.v.cpu().numpy(),
            "noise": self.noise.get_state().numpy(),
            "measured": self.measured,
            "measurement": np.array(json.dumps(self.measurement.bit_generator.state)),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.v, self.measured = torch.from_numpy(state["v"]).to(self.device), state["measured"]
        self.noise.set_state(torch.from_numpy(state["noise"]))
        self.measurement.bit_generator.state = json.loads(str(state["measurement"]))

    def _measure(
        self,
        activity: Float32[np.ndarray, "T N"],
        drift: Float32[np.ndarray, "T N"] | None,
        *,
        last: bool,
    ) -> None:
        """Adds what the measurement adds to the voltages, and as published to their drift."""
        noise = np.concatenate([self.measured[None], self._draw_measurement(len(activity))])
        activity += noise[:-1]
        self.measured = noise[-1]
        measurement = self.config.measurement
        if drift is None or measurement.kind == "none" or measurement.drift == "clean":
            return
        steps = np.diff(noise, axis=0)
        drift[: len(drift) - last] += steps[: len(steps) - last] / np.float32(self.config.dt)

    def _draw_measurement(self, n_frames: int) -> Float32[np.ndarray, "T N"]:
        std, size = self.setup.measurement_std, (n_frames, self.setup.equation.n_neurons)
        if not std:
            return np.zeros(size, dtype=np.float32)
        return np.float32(std) * self.measurement.standard_normal(size, dtype=np.float32)


def _equation(
    config: FlyConfig, connectome: Connectome, network: Network, parameters: Biophysics
) -> FlyEquation:
    acting = network.only(network.weight != 0)
    graph = Graph(pre=acting.pre, post=acting.post, n_neurons=connectome.n_cells)
    equation = FlyEquation(
        weight=graph.matrix(acting.weight.astype(np.float32)),
        time_constant=_single(parameters.time_constant[connectome.type]),
        resting_potential=_single(parameters.resting_potential[connectome.type]),
    )
    if config.time_constants == "at_least_dt":
        return equation.at_least(config.dt)
    shortest = float(equation.time_constant.min())
    if config.dt >= 2 * shortest:
        raise ValueError(
            f"dt = {config.dt:g} s is unstable under explicit Euler with the shortest time "
            f"constant, {shortest:g} s: take dt below twice that, or time_constants: at_least_dt"
        )
    return equation


def _single(values: np.ndarray) -> Float[Tensor, " N"]:
    return torch.from_numpy(values.astype(np.float32))


def _uv(connectome: Connectome, cells: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(connectome.u[cells].tolist(), connectome.v[cells].tolist(), strict=True))


def _resume_key(config: FlyConfig, setup: _Setup, *, seed: int, test: bool, device: str) -> str:
    content = hashlib.sha256()  # of checkpoint and stimulus files too
    for values in (
        setup.simulated.weight,
        setup.equation.time_constant.numpy(),
        setup.equation.resting_potential.numpy(),
        setup.model.pre,
        setup.model.post,
        setup.stimulus.values,
        setup.stimulus.frame,
    ):
        content.update(np.ascontiguousarray(values).data)
    return digest(
        {
            "config": config.model_dump(mode="json"),
            "seed": seed,
            "part": "test" if test else "train",
            "content": content.hexdigest(),
            "device": device,
            "versions": provenance(stamp=False)["versions"],
            "code": code_digest("neuralgnn.simulate", "neuralgnn.data"),
        }
    )
