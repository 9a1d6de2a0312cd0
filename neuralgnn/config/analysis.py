"""How a fitted model is judged."""

__all__ = [
    "AnalysisConfig",
    "ChangedNetwork",
    "ClusterConfig",
    "GraphConfig",
    "ProbeConfig",
    "ProjectionConfig",
    "RolloutConfig",
    "SpectrumConfig",
    "SymbolicConfig",
]

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from neuralgnn.config.base import Name, Section


class RolloutConfig(Section):
    """Free-running predictions from held-out states."""

    n_starts: PositiveInt = 5
    """Held-out states that rollouts start from."""
    n_frames: PositiveInt = 1000
    """Length of each rollout."""
    report_frames: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (400, 800)
    """Frames at which learned and true activity are compared neuron by neuron."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        late = [frame for frame in self.report_frames if frame > self.n_frames]
        if late:
            raise ValueError(f"report_frames has {late[0]}, beyond n_frames = {self.n_frames}")
        return self


class ClusterConfig(Section):
    """Neuron types from the learned update functions, without labels."""

    max_clusters: PositiveInt = 40
    """Largest number of mixture components tried; the number is chosen by BIC."""
    min_share: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Clusters with a smaller share of the neurons are merged into their nearest neighbour."""
    floor: PositiveFloat = 0.01
    """Smallest standard deviation of a cluster, in units of the spread of all curves."""
    valley: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Clusters are joined where the density between them stays above this share of the peak."""
    max_components: PositiveInt = 6
    """Largest number of principal components of the curves that are kept."""
    max_rows: Annotated[int, Field(ge=10)] = 2000
    """Neurons that the number of clusters is chosen on; all of them are labelled."""
    published_threshold: PositiveFloat = 0.1
    """Cut of the published single linkage of latent vectors, in units of their range."""


class ProjectionConfig(Section):
    """UMAP of the learned update functions: a picture, on which nothing is counted."""

    n_neighbors: Annotated[int, Field(ge=2)] = 50
    """Neighbours that every neuron is held to."""
    min_dist: NonNegativeFloat = 0.1
    """How close points may lie."""


class SpectrumConfig(Section):
    """Eigenvalues and singular values of the connectivity."""

    n_leading: Annotated[int, Field(ge=2)] = 50
    """Leading vectors that are compared."""
    max_dense: PositiveInt = 2048
    """Of networks with more neurons only the leading values are computed, by iteration."""


Term = Literal[
    "1",
    "x",
    "x^2",
    "x^3",
    "relu(x)",
    "tanh(x)",
    "tanh(x/w)",
    "sigmoid(x)",
    "sigmoid(x/w)",
    "sin(x)",
    "sin(x/w)",
]


class SymbolicConfig(Section):
    """Formulas of the learned functions, from a declared library of terms."""

    library: Annotated[tuple[Term, ...], Field(min_length=1)] = (
        "1",
        "x",
        "x^2",
        "x^3",
        "relu(x)",
        "tanh(x)",
        "tanh(x/w)",
        "sigmoid(x/w)",
        "sin(x/w)",
    )
    """Terms to choose from; w is fitted."""
    max_terms: Annotated[int, Field(ge=1, le=5)] = 3
    """Largest number of terms of a formula."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.005
    """Relative error that another constant has to remove."""


class GraphConfig(Section):
    """Which connections exist, by the weights and their standard errors."""

    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Expected share of false connections among the found ones."""
    null: Literal["standard_error", "empirical"] = "empirical"
    """Share and width of absent connections: all and the standard error, or estimated."""
    min_absent: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The graph is compared with the true one if at least this share of pairs is unconnected."""


class ProbeConfig(Section):
    """Flashes and moving edges that a fitted fly is shown, from its steady state under grey."""

    dt: PositiveFloat = 0.005
    """Step of the integration [s]."""
    settle: PositiveFloat = 2.0
    """Time under grey that leads to the steady state [s]."""
    flash_radius: PositiveInt = 6
    """Radius of the flash [column]; that of the lattice where it is smaller."""
    flash_duration: PositiveFloat = 1.0
    """Length of the flash [s]."""
    angles: Annotated[tuple[float, ...], Field(min_length=2)] = (
        *(0, 30, 60, 90, 120, 150),
        *(180, 210, 240, 270, 300, 330),
    )
    """Directions of motion, 0 to the right, 90 up [degree]."""
    speeds: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (9.7, 13, 19, 25)
    """Speeds of the edges [column/s]."""


class ChangedNetwork(Section):
    """A test of generalisation: other connections and other proportions of types."""

    filling: Annotated[float, Field(gt=0, le=1)]
    """Share of the connections that is kept [1]."""
    type_fractions: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)]
    """Share of each type among the neurons; sums to 1."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if abs(sum(self.type_fractions) - 1) > 1e-6:
            raise ValueError(f"type_fractions sum to {sum(self.type_fractions):g}, not 1")
        return self


class AnalysisConfig(Section):
    """Everything computed from a fitted model."""

    rollout: RolloutConfig = RolloutConfig()
    """Free-running predictions."""
    clusters: ClusterConfig = ClusterConfig()
    """Neuron types."""
    projection: ProjectionConfig | None = ProjectionConfig()
    """Map of the update functions; null: none, which spares half a minute of compiling."""
    spectrum: SpectrumConfig = SpectrumConfig()
    """Spectra of the connectivity."""
    symbolic: SymbolicConfig = SymbolicConfig()
    """Formulas of the functions."""
    graph: GraphConfig = GraphConfig()
    """Found connections."""
    probes: ProbeConfig = ProbeConfig()
    """Flashes and moving edges, for figure fly_probes."""
    changed_networks: dict[Name, ChangedNetwork] = {}
    """Changed networks by name, each rolled out like the original one."""
    n_montage: PositiveInt = 8
    """Checkpoints shown in the training montage."""
    lyapunov_frames: PositiveInt = 2000
    """Frames over which the Lyapunov exponent is averaged."""
    curve_points: Annotated[int, Field(ge=20)] = 400
    """Points of the activity grid on which functions are tabulated."""
    published_plateau: Literal["median", "max"] = "median"
    """How the published correction of W reads the height of psi, beside our own gauge; `max` is
    what the published code falls back to in supplementary figures 13 and 14."""
    visited_quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    """Functions are compared between this quantile of the activity and its mirror image."""
