"""How a fitted model is judged."""

__all__ = ["AnalysisConfig", "ChangedNetwork", "ClusterConfig", "RolloutConfig"]

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

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
