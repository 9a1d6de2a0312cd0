"""How activity of the fly visual system is made: connectome, parameters, stimulus, dynamics.

The rate equation of neuron ``i``, with voltages and currents without unit:

    tau_i dv_i/dt = -v_i + V_i + sum_j W_ij relu(v_j) + I_i(t)

Source: Lappalainen et al. 2024 (Nature 634, 1132); Allier, Lappalainen & Saalfeld 2026
(https://saalfeldlab.github.io/flyvis-gnn).
"""

__all__ = [
    "Ablation",
    "ArrayStimulus",
    "BlankStimulus",
    "DavisStimulus",
    "DefaultParameters",
    "EdgeRemoval",
    "FlashStimulus",
    "FlyConfig",
    "FlyParameters",
    "FlyStimulus",
    "GaussianMeasurement",
    "InitialState",
    "MSequenceStimulus",
    "MovingBarStimulus",
    "MovingEdgeStimulus",
    "NaturalisticStimulus",
    "NoMeasurement",
    "NoPerturbation",
    "NullEdges",
    "Perturbation",
    "PretrainedParameters",
    "SampledParameters",
    "ScatteredState",
    "SintelStimulus",
    "SteadyState",
    "WhiteNoiseStimulus",
    "checkpoint_path",
]

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from neuralgnn.config.base import Section
from neuralgnn.config.simulation import Noise, NoNoise

Luminance = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PathName = Annotated[str, Field(min_length=1)]
Sixths = Annotated[tuple[Annotated[int, Field(ge=0, le=5)], ...], Field(min_length=1)]
Angles = Annotated[tuple[float, ...], Field(min_length=1)]
Speeds = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
Luminances = Annotated[tuple[Luminance, ...], Field(min_length=1)]


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


class NaturalisticStimulus(Section):
    """Synthetic movies: textures and dead leaves under ego motion, with moving objects in front.

    Shares of time: what ``flicker``, ``white_noise`` and ``binary`` leave over goes to movies.
    """

    kind: Literal["naturalistic"] = "naturalistic"
    flicker: Share = 0.1
    """Share of clips in which the whole field flickers."""
    white_noise: Share = 0.1
    """Share of clips in which every column flickers by itself."""
    binary: Share = 0.15
    """Share of clips of black and white patches that change at random."""
    dead_leaves: Share = 0.5
    """Share of the movies whose scene is of discs that occlude each other; others have 1/f
    textures."""
    clip_frames: tuple[PositiveInt, PositiveInt] = (50, 100)
    """Shortest and longest clip [time step]."""
    contrasts: Luminances = (0.25, 0.5, 0.75, 1.0)
    """Contrasts that clips are shown in, at random, around a mean luminance that lets them [1]."""
    max_speed: PositiveFloat = 40.0
    """Fastest ego motion; speeds are drawn log-uniformly from a fiftieth of it [column/s]."""
    max_objects: NonNegativeInt = 3
    """Most moving objects in a movie."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.flicker + self.white_noise + self.binary > 1:
            raise ValueError(
                f"flicker = {self.flicker:g}, white_noise = {self.white_noise:g} and binary = "
                f"{self.binary:g} add up to more than 1"
            )
        if self.clip_frames[0] > self.clip_frames[1]:
            raise ValueError(f"clip_frames = {list(self.clip_frames)} must rise")
        return self


class DavisStimulus(Section):
    """Videos of the DAVIS data set, one frame per time step, flipped and rotated."""

    kind: Literal["davis"]
    path: PathName
    """Folder with one folder of .jpg frames per video (``JPEGImages/480p``)."""
    min_frames: PositiveInt = 50
    """Shorter videos are left out [frame]."""
    flips: Annotated[tuple[bool, ...], Field(min_length=1)] = (False, True)
    """Whether the lattice is mirrored (u and v exchanged)."""
    rotations: Sixths = (0, 1, 3, 4)
    """Rotations of the lattice in steps of 60 degrees."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the videos, the last by name, that only the test recording shows."""


class SintelStimulus(Section):
    """Scenes of the Sintel data set, cut into short clips, flipped and rotated."""

    kind: Literal["sintel"]
    path: PathName
    """Folder with one folder of .png frames per scene (``training/final``)."""
    clip_frames: PositiveInt = 19
    """Length of a clip [frame]; what a scene has beyond whole clips is left out."""
    vertical_splits: PositiveInt = 3
    """Places across the image that the eye looks at."""
    crop: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Central share of the image's height that is used."""
    flips: Annotated[tuple[bool, ...], Field(min_length=1)] = (False, True)
    """Whether the lattice is mirrored (u and v exchanged)."""
    rotations: Sixths = (0, 1, 2, 3, 4, 5)
    """Rotations of the lattice in steps of 60 degrees."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the scenes, the last by name, that only the test recording shows."""


class FlashStimulus(Section):
    """Flashes of a disc around the centre, between stretches of background."""

    kind: Literal["flash"]
    background: Luminance = 0.5
    """Luminance before, between and around flashes."""
    intensities: Luminances = (0.0, 1.0)
    """Luminances of the flashes, in random order."""
    radius: NonNegativeInt | None = None
    """Radius of the disc [column]; null: the whole field."""
    pause: PositiveFloat = 1.0
    """Background before and after each flash [s]."""
    duration: PositiveFloat = 1.0
    """Length of a flash [s]."""


class MovingEdgeStimulus(Section):
    """Bright and dark edges that sweep over the field and leave it in their luminance."""

    kind: Literal["moving_edge"]
    background: Luminance = 0.5
    """Luminance before the edge."""
    intensities: Luminances = (0.0, 1.0)
    """Luminances behind the edge."""
    angles: Angles = (0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330)
    """Directions of motion, 0 to the right, 90 up [degree]."""
    speeds: Speeds = (2.4, 4.8, 9.7, 13, 19, 25)
    """Speeds [column/s]."""
    pause: NonNegativeFloat = 1.0
    """Background before and after each sweep [s]."""


class MovingBarStimulus(MovingEdgeStimulus):
    """Bright and dark bars that sweep over the field."""

    kind: Literal["moving_bar"]  # pyright: ignore[reportIncompatibleVariableOverride]
    width: PositiveFloat = 2.0
    """Width of the bar [column]."""


class MSequenceStimulus(Section):
    """Every column follows a binary m-sequence, shifted against its neighbours'."""

    kind: Literal["m_sequence"]
    order: Annotated[int, Field(ge=4, le=16)] = 12
    """Order n of the shift register; the sequence has period 2**n - 1 [frame]."""
    contrast: Luminance = 1.0
    """Luminance is 0.5 (1 + contrast) or 0.5 (1 - contrast)."""
    hold: PositiveInt = 1
    """Time steps that each value is shown for [time step]."""


class WhiteNoiseStimulus(Section):
    """Uniform luminance, drawn anew for each column."""

    kind: Literal["white_noise"]
    contrast: Luminance = 1.0
    """Luminance lies between 0.5 (1 - contrast) and 0.5 (1 + contrast)."""
    hold: PositiveInt = 1
    """Time steps that each value is shown for [time step]."""


class BlankStimulus(Section):
    """The same luminance everywhere, always."""

    kind: Literal["blank"]
    luminance: Luminance = 0.5
    """The luminance."""


class ArrayStimulus(Section):
    """Luminance from a file, repeated until the recording is full."""

    kind: Literal["array"]
    path: PathName
    """File with the (frame, column) luminances, columns by rising u, then v: .npy, .npz, .csv,
    .zarr; with as many columns as the extent has, values in [0, 1]."""
    key: str | None = None
    """Name of the array in a .npz or .zarr with several; null: the only one."""
    test_path: PathName | None = None
    """File of the test recording; null: the last tenth of the frames, which training does not
    show then."""


FlyStimulus = Annotated[
    NaturalisticStimulus
    | DavisStimulus
    | SintelStimulus
    | FlashStimulus
    | MovingEdgeStimulus
    | MovingBarStimulus
    | MSequenceStimulus
    | WhiteNoiseStimulus
    | BlankStimulus
    | ArrayStimulus,
    Field(discriminator="kind"),
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
