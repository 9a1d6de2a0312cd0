"""How activity is made: neuron types, connectivity, transfer function, noise, integration.

The rate equation, with the parameters of the type of neuron ``i`` (receiver) and ``j`` (sender):

    dx_i/dt = -decay_i x_i + offset_i + self_coupling_i F(x_i) + gain_i sum_j W_ij psi_ij(x_j)

An external input Omega_i(t) multiplies the sum, or is added to the whole.

Source: Allier et al. 2026 (arXiv:2602.13325).
"""

__all__ = [
    "CauchyConnectivity",
    "ChaoticConnectivity",
    "Connectivity",
    "ExternalInput",
    "FileConnectivity",
    "GaussianConnectivity",
    "LowRankConnectivity",
    "MovieFile",
    "MovieInput",
    "MovieSource",
    "NeuronType",
    "NoInput",
    "NoNoise",
    "Noise",
    "PairTransfer",
    "PerStepNoise",
    "RingConnectivity",
    "SdeNoise",
    "SenderTransfer",
    "SharedTransfer",
    "SimulationConfig",
    "SyntheticMovie",
    "Transfer",
    "UniformConnectivity",
]

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from neuralgnn.config.base import Section

Fraction = Annotated[float, Field(gt=0, le=1)]


class NeuronType(Section):
    """Parameters shared by all neurons of one type."""

    decay: PositiveFloat = 1.0
    """Rate at which activity decays, 1/tau [1/time unit]."""
    offset: float = 0.0
    """Constant drive b [activity/time unit]."""
    self_coupling: float = 1.0
    """Strength s of the neuron's coupling to itself, s F(x_i) [activity/time unit]."""
    gain: float = 10.0
    """Gain g of what arrives from other neurons [activity/time unit]."""
    width: PositiveFloat = 1.0
    """Width w of the transfer function [activity]."""
    threshold: float = 0.0
    """Threshold h of the transfer function [activity]."""


class SharedTransfer(Section):
    """One transfer function for all: psi(x_j) = F(x_j)."""

    kind: Literal["shared"] = "shared"
    function: Literal["tanh", "relu", "sigmoid"] = "tanh"
    """The nonlinearity F."""


class SenderTransfer(Section):
    """The sender's type sets the transfer function: psi_j(x_j) = F((x_j - h_j) / w_j)."""

    kind: Literal["sender"]
    function: Literal["tanh", "relu", "sigmoid"] = "tanh"
    """The nonlinearity F."""


class PairTransfer(Section):
    """Receiver and sender set it: psi_ij(x_j) = F((x_j - h_j) / w_i) - slope ln(w_j) x_j."""

    kind: Literal["pair"]
    function: Literal["tanh", "relu", "sigmoid"] = "tanh"
    """The nonlinearity F."""
    slope: float = 0.02
    """Slope of the linear part per unit of ln(w_j) [1/activity]."""


Transfer = Annotated[SharedTransfer | SenderTransfer | PairTransfer, Field(discriminator="kind")]


class _Drawn(Section):
    filling: Fraction = 1.0
    """Share of the possible connections that is kept, drawn independently [1]."""
    excitatory_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    """Dale's law: this share of the senders excites, the others inhibit; null: off [1]."""


class CauchyConnectivity(_Drawn):
    """Standard Cauchy draws, those beyond the clip set to zero, divided by N**exponent."""

    kind: Literal["cauchy"]
    clip: PositiveFloat = 25.0
    """Draws with a larger absolute value become zero [1]."""
    exponent: PositiveFloat | None = None
    """Exponent of N; null: the published rule, 0.70 below 2000 neurons down to 0.5 above 8000."""


class GaussianConnectivity(_Drawn):
    """Normal draws of standard deviation scale / sqrt(N)."""

    kind: Literal["gaussian"]
    scale: PositiveFloat = 1.0
    """Standard deviation times sqrt(N) [1]."""


class ChaoticConnectivity(_Drawn):
    """Normal draws of standard deviation scale / sqrt(N), the spectral radius being ``scale``."""

    kind: Literal["chaotic"]
    scale: PositiveFloat = 1.0
    """Expected spectral radius of W [1]."""


class UniformConnectivity(_Drawn):
    """Uniform draws."""

    kind: Literal["uniform"]
    low: float = -0.5
    """Smallest weight [1]."""
    high: float = 0.5
    """Largest weight [1]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return self


class LowRankConnectivity(_Drawn):
    """Product of two uniform factors, U V / sqrt(rank N)."""

    kind: Literal["low_rank"]
    rank: PositiveInt = 20
    """Rank of W."""


class RingConnectivity(_Drawn):
    """Ring attractor: W_ij = (cos(theta_i - theta_j) + 0.5) / N."""

    kind: Literal["ring"]


class FileConnectivity(_Drawn):
    """A matrix from a file."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1)]
    """File with the (receiver, sender) matrix: .npy, .npz, .csv, .zarr, .pt; relative to the
    folder that the command runs in."""
    key: str | None = None
    """Name of the array in a .npz, .zarr or .pt with several; null: the only one."""


Connectivity = Annotated[
    CauchyConnectivity
    | GaussianConnectivity
    | ChaoticConnectivity
    | UniformConnectivity
    | LowRankConnectivity
    | RingConnectivity
    | FileConnectivity,
    Field(discriminator="kind"),
]


class NoNoise(Section):
    """Deterministic dynamics (explicit Euler)."""

    kind: Literal["none"] = "none"


class PerStepNoise(Section):
    """Noise as published: x <- x + dt f(x) + std xi, whatever the step."""

    kind: Literal["per_step"]
    std: PositiveFloat
    """Standard deviation added at every step, not scaled by dt [activity]."""


class SdeNoise(Section):
    """Euler-Maruyama: x <- x + dt f(x) + std sqrt(dt) xi."""

    kind: Literal["sde"]
    std: PositiveFloat
    """Noise amplitude [activity / sqrt(time unit)]."""


Noise = Annotated[NoNoise | PerStepNoise | SdeNoise, Field(discriminator="kind")]


class SyntheticMovie(Section):
    """Smooth shapes that come and go, drawn from the experiment's seed.

    The defaults are statistics of the published movie, which may not be passed on: range, mean,
    standard deviation and mean absolute difference between consecutive frames.
    """

    kind: Literal["synthetic"] = "synthetic"
    n_frames: Annotated[int, Field(ge=2)] = 257
    """Frames of the movie."""
    low: float = 0.5
    """Smallest value [1]."""
    high: float = 1.4797
    """Largest value [1]."""
    mean: float = 1.0784
    """Mean over all frames and pixels [1]."""
    std: PositiveFloat = 0.2930
    """Standard deviation over all frames and pixels [1]."""
    frame_difference: PositiveFloat = 0.0142
    """Mean absolute difference of a pixel between consecutive frames [1]."""
    spatial_scale: PositiveFloat = 3.0
    """Standard deviation of the Gaussian that smooths each frame [pixel]."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.low < self.mean < self.high:
            raise ValueError(
                f"mean = {self.mean:g} must lie between low = {self.low:g} and high = "
                f"{self.high:g}"
            )
        widest = ((self.mean - self.low) * (self.high - self.mean)) ** 0.5
        if self.std >= widest:
            raise ValueError(
                f"std = {self.std:g} must be below {widest:.4g}, that of values which are low or "
                "high only"
            )
        if self.frame_difference >= self.std:
            raise ValueError(
                f"frame_difference = {self.frame_difference:g} must be below std = {self.std:g}: "
                "frames independent of each other differ by no more than about that"
            )
        return self


class MovieFile(Section):
    """A movie (frames, rows, columns) from a file."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1)]
    """File with the frames: .tif, .tiff, .npy, .npz, .zarr; relative to the folder that the
    command runs in."""
    key: str | None = None
    """Name of the array in a .npz or .zarr with several; null: the only one."""
    quarter_turns: Annotated[int, Field(ge=0, le=3)] = 0
    """Times that each frame is turned by 90 degrees anticlockwise; published: 3."""


MovieSource = Annotated[SyntheticMovie | MovieFile, Field(discriminator="kind")]


class NoInput(Section):
    """Nothing comes from outside."""

    kind: Literal["none"] = "none"


class MovieInput(Section):
    """A movie that drives one neuron per pixel; the other neurons do not see it.

    Step t of n_frames shows movie frame floor(t / n_frames (m - 1)) of m, as published: each is
    held for about n_frames / (m - 1) steps, and the last is never shown.
    """

    kind: Literal["movie"]
    mode: Literal["multiplicative", "additive"] = "multiplicative"
    """Whether the movie multiplies what a driven neuron receives from the others, or is added to
    its rate of change [activity/time unit]."""
    shape: tuple[PositiveInt, PositiveInt] = (32, 32)
    """Rows and columns of the grid of driven neurons, and of the movie's frames."""
    first_neuron: NonNegativeInt = 0
    """Neuron of the first pixel; the others follow row by row."""
    burn_in: Literal["zero", "first_frame"] = "zero"
    """What stands in for the movie before the first recorded frame. `zero`, as published: an input
    of 0 for all neurons, driven or not, so that a multiplied network is not coupled."""
    source: MovieSource = SyntheticMovie()
    """Where the movie comes from."""

    @property
    def n_driven(self) -> int:
        """Number of driven neurons."""
        return self.shape[0] * self.shape[1]


ExternalInput = Annotated[NoInput | MovieInput, Field(discriminator="kind")]


class SimulationConfig(Section):
    """A neural assembly and how long it is recorded."""

    kind: Literal["assembly"] = "assembly"
    n_neurons: Annotated[int, Field(ge=2)]
    """Number of neurons N."""
    n_frames: Annotated[int, Field(ge=10)]
    """Number of recorded frames."""
    dt: PositiveFloat = 0.01
    """Step of the integration and time between frames [time unit]."""
    burn_in: NonNegativeInt = 1000
    """Steps integrated before the first recorded frame."""
    initial_std: PositiveFloat = 5.0
    """Standard deviation of the normally distributed initial activity [activity]."""
    neuron_types: Annotated[tuple[NeuronType, ...], Field(min_length=1)]
    """Parameters of each type; neurons are split into contiguous equal blocks, the last type
    taking what is left over."""
    transfer: Transfer = SharedTransfer()
    """Transfer function psi."""
    connectivity: Connectivity
    """Connection weights W, W[i, j] acting from j on i."""
    noise: Noise = NoNoise()
    """Process noise."""
    external_input: ExternalInput = NoInput()
    """What drives neurons from outside; fits do not see it."""
    record_drift: bool = False
    """Also store the noise-free right-hand side; needed by fits with target `drift`."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where to compute; `auto` takes CUDA when there is one. Rounding differs between the two, so
    a chaotic network takes another path on each."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.neuron_types) > self.n_neurons:
            raise ValueError(
                f"neuron_types has {len(self.neuron_types)} rows, but there are only "
                f"n_neurons = {self.n_neurons}"
            )
        if self.connectivity.kind == "low_rank" and self.connectivity.rank > self.n_neurons:
            raise ValueError(
                f"connectivity.rank = {self.connectivity.rank} exceeds n_neurons = "
                f"{self.n_neurons}"
            )
        movie = self.external_input
        if movie.kind == "movie" and movie.first_neuron + movie.n_driven > self.n_neurons:
            rows, columns = movie.shape
            raise ValueError(
                f"external_input drives {rows} x {columns} = {movie.n_driven} neurons from "
                f"first_neuron = {movie.first_neuron} on, but there are only n_neurons = "
                f"{self.n_neurons}"
            )
        fastest = max(row.decay for row in self.neuron_types)
        if self.dt * fastest >= 2:
            raise ValueError(
                f"dt = {self.dt:g} with decay = {fastest:g} is unstable under explicit Euler: "
                f"dt * decay must be below 2"
            )
        if self.transfer.kind == "shared":
            odd = [
                i
                for i, row in enumerate(self.neuron_types)
                if (row.width, row.threshold) != (1, 0)
            ]
            if odd:
                raise ValueError(
                    f"neuron_types[{odd[0]}] sets width or threshold, which "
                    "transfer.kind = 'shared' does not use; choose 'sender' or 'pair'"
                )
        return self
