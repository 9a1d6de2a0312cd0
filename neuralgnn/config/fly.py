"""How activity of the fly visual system is made: connectome, parameters, stimulus, dynamics.

The rate equation of neuron ``i``, with voltages and currents without unit:

    tau_i dv_i/dt = -v_i + V_i + sum_j W_ij relu(v_j) + I_i(t)

Source: Lappalainen et al. 2024 (Nature 634, 1132); Allier, Lappalainen & Saalfeld 2026
(https://saalfeldlab.github.io/flyvis-gnn).
"""

__all__ = [
    "Ablation",
    "DefaultParameters",
    "EdgeRemoval",
    "FlyConfig",
    "FlyParameters",
    "GaussianMeasurement",
    "InitialState",
    "NoMeasurement",
    "NoPerturbation",
    "NullEdges",
    "Perturbation",
    "PretrainedParameters",
    "SampledParameters",
    "ScatteredState",
    "SteadyState",
    "checkpoint_path",
]

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    model_validator,
)

from neuralgnn.config.base import PathName, Section
from neuralgnn.config.fly_stimulus import FlyStimulus, NaturalisticStimulus
from neuralgnn.config.simulation import Noise, NoNoise


class PretrainedParameters(Section):
    """Parameters of a network that was trained on optic flow, from a flyvis checkpoint."""

    kind: Literal["pretrained"]
    path: PathName | None = None
    """The checkpoint (``best_chkpt`` or ``chkpt_00000``), or the folder of the network; null: what
    the environment variable NEURALGNN_FLY_CHECKPOINT says."""


CHECKPOINT_VARIABLE = "NEURALGNN_FLY_CHECKPOINT"


def checkpoint_path(parameters: PretrainedParameters) -> Path | None:
    """The checkpoint that is meant, by path or environment variable; None if neither names one."""
    name = parameters.path or os.environ.get(CHECKPOINT_VARIABLE)
    if not name:
        return None
    path = Path(name)
    return path / "best_chkpt" if path.is_dir() else path


class DefaultParameters(Section):
    """Parameters that flyvis starts its training from; nearly linear at grey."""

    kind: Literal["default"]


class SampledParameters(Section):
    """Parameters drawn for every cell type and pair of types; stable whatever the stimulus."""

    kind: Literal["sampled"] = "sampled"
    time_constant_range: tuple[PositiveFloat, PositiveFloat] = (0.02, 0.3)
    """Time constants are drawn log-uniformly between these [s]."""
    resting_potential_mean: float = 0.5
    """Mean of the normally distributed resting potentials [1]."""
    resting_potential_std: NonNegativeFloat = 0.2
    """Their standard deviation [1]."""
    strength_spread: NonNegativeFloat = 1.0
    """Standard deviation of the logarithm of a type pair's strength per synapse [1]."""
    gain: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Largest sum of absolute in-weights over the neurons of each type; below 1 any two
    trajectories approach each other [1]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.time_constant_range
        if low > high:
            raise ValueError(f"time_constant_range = [{low:g}, {high:g}] must rise")
        return self


FlyParameters = Annotated[
    PretrainedParameters | DefaultParameters | SampledParameters, Field(discriminator="kind")
]


class NoPerturbation(Section):
    """The model is given the graph that is simulated."""

    kind: Literal["none"] = "none"


class NullEdges(Section):
    """The model is given more edges than there are."""

    kind: Literal["null_edges"]
    ratio: PositiveFloat
    """Added edges per real edge."""
    mode: Literal["per_sender", "random"] = "per_sender"
    """Whether each sender gets its share (as published; one that has no edges gets none), or
    pairs are drawn uniformly."""


class EdgeRemoval(Section):
    """The model is given fewer edges than there are."""

    kind: Literal["edge_removal"]
    fraction: Annotated[float, Field(gt=0, lt=1)]
    """Share of the edges that is removed."""
    mode: Literal["per_sender", "random"] = "per_sender"
    """Whether each sender loses its share (at least one, never all), or edges are drawn
    uniformly."""
    removed_from: Literal["model", "model_and_simulation"] = "model"
    """Where the edges are missing; `model_and_simulation` is what was published."""


class Ablation(Section):
    """Edges that no longer act in the simulation, but are still in the model's graph."""

    kind: Literal["ablation"]
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the edges whose weight becomes 0."""


Perturbation = Annotated[
    NoPerturbation | NullEdges | EdgeRemoval | Ablation, Field(discriminator="kind")
]


class NoMeasurement(Section):
    """Voltages are recorded as they are."""

    kind: Literal["none"] = "none"


class GaussianMeasurement(Section):
    """Recorded voltages have independent noise that the dynamics do not see."""

    kind: Literal["gaussian"]
    std: PositiveFloat
    """Its standard deviation [1]."""
    drift: Literal["as_published", "clean"] = "as_published"
    """What is stored as drift: the rate of change of the voltages plus the finite difference of
    the measurement noise, or without it."""


Measurement = Annotated[NoMeasurement | GaussianMeasurement, Field(discriminator="kind")]


class SteadyState(Section):
    """Where voltages settle under grey: from rest, noise-free, with time constants >= dt."""

    kind: Literal["steady_state"] = "steady_state"
    duration: NonNegativeFloat = 2.0
    """Time under grey; 0: at rest [s]."""


class ScatteredState(Section):
    """Resting potentials plus a normal deviate of each neuron's own.

    While the network settles, for few frames, neurons are active that no stimulus drives, and
    those differ from each other that stimuli move together.
    """

    kind: Literal["scattered"]
    std: PositiveFloat = 1.0
    """Standard deviation of the deviates [1]."""


InitialState = Annotated[SteadyState | ScatteredState, Field(discriminator="kind")]


class FlyConfig(Section):
    """The fly visual system, what it sees, and how long it is recorded."""

    kind: Literal["fly"]
    extent: Annotated[int, Field(ge=1, le=15)] = 8
    """Radius of the hexagonal lattice [column]: 3 n (n + 1) + 1 columns."""
    n_syn_fill: NonNegativeFloat = 1.0
    """Synapses of the connections inside a filter's convex hull that were not reported; 0: none
    [1]."""
    parameters: FlyParameters = SampledParameters()
    """Time constants, resting potentials and synaptic strengths."""
    stimulus: FlyStimulus = NaturalisticStimulus()
    """What the eye sees."""
    perturbation: Perturbation = NoPerturbation()
    """How the model's graph differs from the connectome."""
    n_frames: Annotated[int, Field(ge=10)] = 64_000
    """Number of recorded frames."""
    n_test_frames: Annotated[int, Field(ge=10)] = 8_528
    """Number of frames of the test recording, of stimuli that training does not show."""
    dt: PositiveFloat = 0.02
    """Step of the integration and time between frames [s]."""
    time_constants: Literal["as_given", "at_least_dt"] = "as_given"
    """Whether time constants below dt are used as they are (as published), or raised to dt (as
    flyvis does)."""
    initial_state: InitialState = SteadyState()
    """Voltages at the first frame; the steady state as published."""
    noise: Noise = NoNoise()
    """Process noise of the recording."""
    test_noise: Noise = NoNoise()
    """Process noise of the test recording."""
    test_ablation: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the edges that are silent in a further test recording, under the same stimuli: a
    fit is tested on it with these edges silenced, not fitted anew; null: no such recording."""
    measurement: Measurement = NoMeasurement()
    """Measurement noise of the recording; the test recording has none."""
    record_drift: bool = False
    """Also store the noise-free right-hand side; needed by fits with target `drift`."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where to compute; `auto` takes CUDA when there is one."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parameters = self.parameters
        if parameters.kind == "sampled" and self.time_constants == "as_given":
            shortest = parameters.time_constant_range[0]
            if self.dt >= 2 * shortest:
                raise ValueError(
                    f"dt = {self.dt:g} with parameters.time_constant_range from {shortest:g} is "
                    "unstable under explicit Euler: dt must be below twice the shortest, or "
                    "time_constants 'at_least_dt'"
                )
        if self.test_ablation is not None and self.perturbation.kind != "none":
            raise ValueError(
                f"test_ablation = {self.test_ablation:g} with perturbation.kind "
                f"'{self.perturbation.kind}' is not possible: the silenced edges must be those "
                "of the model; take one of the two away"
            )
        stimulus = self.stimulus
        if stimulus.kind == "flash" and (stimulus.radius or 0) > self.extent:
            raise ValueError(
                f"stimulus.radius = {stimulus.radius} exceeds extent = {self.extent}; null is "
                "the whole field"
            )
        return self
