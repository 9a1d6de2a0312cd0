"""What the eye of the fly visual system sees: movies, videos, patterns, arrays."""

__all__ = [
    "ArrayStimulus",
    "BlankStimulus",
    "DavisStimulus",
    "FlashStimulus",
    "FlyStimulus",
    "MSequenceStimulus",
    "MovingBarStimulus",
    "MovingEdgeStimulus",
    "NaturalisticStimulus",
    "SintelStimulus",
    "WhiteNoiseStimulus",
]

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from neuralgnn.config.base import PathName, Section

Luminance = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Sixths = Annotated[tuple[Annotated[int, Field(ge=0, le=5)], ...], Field(min_length=1)]
Angles = Annotated[tuple[float, ...], Field(min_length=1)]
Speeds = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
Luminances = Annotated[tuple[Luminance, ...], Field(min_length=1)]


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
