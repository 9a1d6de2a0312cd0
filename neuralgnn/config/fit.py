"""How a model is fitted to activity: target, model, trainer."""

__all__ = [
    "DriftTarget",
    "FieldConfig",
    "FieldFitConfig",
    "FiniteDifferenceTarget",
    "FitConfig",
    "ModelConfig",
    "SgdConfig",
    "SparseConfig",
    "Target",
    "Trainer",
    "VarproConfig",
]

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from neuralgnn.config.base import Section, Seed
from neuralgnn.config.graph_fit import GraphSgdConfig, GraphVarproConfig
from neuralgnn.config.scatter import Plan, ScatterConfig


class DriftTarget(Section):
    """The stored noise-free right-hand side (as published; no recording has it)."""

    kind: Literal["drift"]


class FiniteDifferenceTarget(Section):
    """(x(t + dt) - x(t)) / dt of the observed activity: what a recording gives."""

    kind: Literal["finite_difference"] = "finite_difference"


Target = Annotated[DriftTarget | FiniteDifferenceTarget, Field(discriminator="kind")]


class FieldConfig(Section):
    """A hidden field Omega(place, time) that multiplies what the neurons on a grid receive.

    A network of sines (SIREN), squared. Which neurons it drives and where they are is known; its
    values are not.
    """

    shape: tuple[PositiveInt, PositiveInt]
    """Rows and columns of the grid of driven neurons."""
    first_neuron: NonNegativeInt = 0
    """Neuron of the first pixel; the others follow row by row."""
    hidden: PositiveInt = 128
    """Width of the hidden layers."""
    n_layers: PositiveInt = 5
    """Hidden layers after the first one."""
    omega_0: PositiveFloat = 30.0
    """Factor in every sine."""


class FieldFitConfig(Section):
    """How varpro fits a model's field.

    Over short stretches of time the field is solved for in turn with W; then the network learns
    it, and is trained together with W.
    """

    n_stretches: PositiveInt = 240
    """Stretches of the training time on each of which the field is constant at first."""
    n_rounds: PositiveInt = 12
    """Turns of field and W over stretches."""
    n_update_coefficients: Annotated[int, Field(ge=6)] = 14
    """Spline coefficients of phi in those turns."""
    n_steps: PositiveInt = 800
    """Adam steps of the network on the field over stretches."""
    n_joint_steps: PositiveInt = 300
    """Adam steps of the network on the residual of the rates of change, between solves for W."""
    n_turns: PositiveInt = 2
    """Turns of network and W."""
    batch_size: PositiveInt = 2048
    """Points of place and time per step."""
    learning_rate: PositiveFloat = 3e-4
    """Adam learning rate of the network; it falls along a cosine in each part."""


class ModelConfig(Section):
    """The graph neural network dx_i/dt = phi(a_i, x_i) + sum_j W_ij psi(x_j)."""

    embedding_dim: PositiveInt = 2
    """Length of the latent vector a_i of a neuron."""
    embedding: Literal["learned", "fixed"] = "learned"
    """`fixed`: all neurons share one constant latent vector, hence one update function."""
    transfer_input: Literal["activity", "sender", "pair"] = "activity"
    """What psi sees: the sender's activity, also the sender's latent vector, or also the latent
    vectors of sender and receiver."""
    transfer_terms: PositiveInt = 4
    """Terms c_m(a_i) psi_m(a_j, x_j) that a psi of both latent vectors is the sum of."""
    n_layers: Annotated[int, Field(ge=2)] = 3
    """Linear layers of phi and of psi."""
    hidden: PositiveInt = 64
    """Width of the hidden layers."""
    activation: Literal["relu", "tanh", "silu"] = "relu"
    """Nonlinearity between the layers."""
    field: FieldConfig | None = None
    """A hidden field that drives some neurons; null: none."""


class SparseConfig(Section):
    """A sparse W: connections that are not found are zero, the others are solved for again.

    A connection is found by the false-discovery rule of the two-groups model; the second solve
    takes out the bias that absent connections and the ridge leave on the present ones.
    """

    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Expected share of false connections among those that are kept."""
    null: Literal["standard_error", "empirical"] = "empirical"
    """Share and width of absent connections: all and the standard error, or estimated."""


class VarproConfig(Section):
    """Variable projection: W is solved for, never searched (Golub and Pereyra 1973)."""

    kind: Literal["varpro"]
    n_samples: Annotated[int, Field(ge=100)] | None = None
    """Frames used in the final solve, evenly spread over the training stretch; null: eight per
    neuron, at least 5000 and at most 16,000, but never fewer than two per neuron; three times as
    many of a finite difference, whose noise only frames average out."""
    n_search_samples: Annotated[int, Field(ge=100)] | None = None
    """Frames used while the transfer function is searched; null: three per neuron, at least 2000
    and at most 6000, but never fewer than one and a half per neuron; twice as many of a finite
    difference."""
    max_deviation: PositiveFloat | None = None
    """Frames at which any neuron's activity or rate of change lies further from its median than
    this many interquartile ranges are left out of the fit, as artefacts; null: none are [1]."""
    n_receivers: PositiveInt = 16
    """Receiving neurons used while the transfer function is searched."""
    n_coefficients: Annotated[tuple[Annotated[int, Field(ge=6)], ...], Field(min_length=1)] = (
        14,
        32,
        48,
    )
    """Spline coefficients of psi in the search from scratch and in each refinement."""
    n_update_coefficients: Annotated[int, Field(ge=6)] = 32
    """Spline coefficients of phi."""
    starts: Annotated[
        tuple[Literal["linear", "saturating", "rectifying"], ...], Field(min_length=1)
    ] = ("linear", "saturating", "rectifying")
    """Shapes of psi that searches start from; the error on held-out time chooses."""
    max_iterations: PositiveInt = 60
    """Upper bound of the Gauss-Newton iterations per search."""
    max_groups: PositiveInt = 40
    """Largest number of groups of neurons that have a transfer function of their own, where it
    depends on the neuron; the number is chosen by BIC."""
    min_group_share: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Groups with a smaller share of the neurons are merged into their nearest neighbour."""
    ridge: NonNegativeFloat | None = None
    """Ridge on W relative to the mean diagonal of the Gram matrix [1]; null: what the evidence
    asks for (MacKay 1992), large while psi is still wrong, negligible on noise-free activity."""
    sparse: SparseConfig | None = None
    """How connections are dropped in the end; null: all pairs keep a weight."""
    field: FieldFitConfig = FieldFitConfig()
    """How the model's field is fitted, if it has one."""
    scatter: ScatterConfig = ScatterConfig()
    """How the fit of a large network is cut into jobs of the workflow; the result is the same."""


class SgdConfig(Section):
    """Stochastic gradient descent with the published recipe on the per-neuron formulation."""

    kind: Literal["sgd"]
    n_steps: PositiveInt = 60_000
    """Gradient steps."""
    batch_size: PositiveInt = 8
    """Frames per step."""
    lr_weight: PositiveFloat = 1e-3
    """Adam learning rate of W."""
    lr_functions: PositiveFloat = 5e-4
    """Adam learning rate of phi and psi."""
    lr_embedding: PositiveFloat = 7.5e-4
    """Adam learning rate of the latent vectors a."""
    lr_field: PositiveFloat = 1e-5
    """Adam learning rate of a hidden field."""
    decay_from: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the steps after which learning rates fall to zero along a cosine; 1: never."""
    phi_zero: NonNegativeFloat = 1.0
    """Coefficient of the penalty |phi(a, 0)|."""
    psi_monotonic: NonNegativeFloat = 0.0
    """Coefficient of the penalty on decreasing stretches of psi."""
    weight_l1: NonNegativeFloat = 0.0
    """Coefficient of sum |W|."""
    cluster_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.4,)
    """Shares of the steps at which latent vectors are clustered and phi is retrained."""
    cluster_steps: NonNegativeInt = 20
    """Adam steps that refit phi to the clusters' median curves."""
    checkpoint_every: PositiveInt = 1_000
    """Steps between checkpoints; a killed run resumes from the last."""
    keep_checkpoints: Annotated[int, Field(ge=2)] = 40
    """Checkpoints kept for selection and the training montage, evenly spread."""
    compiled: bool | None = None
    """Whether torch.compile makes one program of the loss, which on a CPU needs a C++ compiler and
    half a minute, and saves a third of every step; null: on CUDA only."""


Trainer = Annotated[
    VarproConfig | GraphVarproConfig | SgdConfig | GraphSgdConfig, Field(discriminator="kind")
]


class FitConfig(Section):
    """One fit of one recording."""

    HOW_IT_RUNS: ClassVar[frozenset[str]] = frozenset({"device", "seeds", "together"})
    """Settings that say where and for which seeds a fit runs, not what it finds."""

    target: Target = FiniteDifferenceTarget()
    """What the model's output is compared with."""
    model: ModelConfig = ModelConfig()
    """The model."""
    trainer: Trainer
    """The fitting method."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of the frames at the end of the recording that is kept from the fit; checkpoints
    are selected and rollouts started there."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes CUDA when there is one."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    """Seeds of the experiment that this fit runs for; null: all."""
    together: bool | None = None
    """Whether one job fits all seeds of the experiment at the same time, as a GPU has room for;
    null: where `device` is `cuda`. Fits that are cut into jobs (`trainer.scatter`) never are."""

    @property
    def is_together(self) -> bool:
        """Whether one job fits all seeds of the experiment."""
        return self.device == "cuda" if self.together is None else self.together

    def scatter_plan(self, n_neurons: int) -> Plan | None:
        """What the fit of a network is cut into; None: it is made in one job.

        Args:
            n_neurons: Number of neurons of the recording.
        """
        trainer = self.trainer
        if trainer.kind != "varpro" or self.model.transfer_input != "activity":
            return None
        if n_neurons <= trainer.scatter.above or trainer.sparse is not None:
            return None
        return Plan(trainer.scatter.n_stretches, trainer.scatter.n_row_blocks)

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if self.model.field is not None:
            if self.trainer.kind not in ("varpro", "sgd"):
                raise ValueError(
                    f"model.field is fitted by trainer.kind = 'varpro' or 'sgd', found "
                    f"'{self.trainer.kind}'"
                )
            if self.trainer.kind == "varpro" and self.model.transfer_input != "sender":
                raise ValueError(
                    f"model.field with model.transfer_input = '{self.model.transfer_input}' is "
                    "not fitted by trainer.kind = 'varpro': 'sender' is allowed"
                )
        if (
            self.trainer.kind == "varpro"
            and self.trainer.sparse is not None
            and (self.model.transfer_input == "pair" or self.model.field is not None)
        ):
            raise ValueError(
                "trainer.sparse is found for a psi of activity or sender without a field; found "
                f"model.transfer_input = '{self.model.transfer_input}'"
                f"{' and a field' if self.model.field is not None else ''}"
            )
        if self.trainer.kind == "varpro_graph" and self.model != ModelConfig():
            raise ValueError(
                "model has settings, but trainer.kind = 'varpro_graph' fits a model of its own, "
                "affine in what arrives; remove the section"
            )
        if self.trainer.kind == "varpro_graph" and self.trainer.hidden_stimulus is not None:
            # The noise of a difference stands in regressors here, and would bend what is found.
            if self.target.kind != "drift":
                raise ValueError(
                    "trainer.hidden_stimulus needs target.kind = 'drift', found "
                    f"'{self.target.kind}': rates of change are among what it regresses on, and "
                    "those of a difference carry the noise of the activity over dt"
                )
            if self.trainer.measurement_std:
                raise ValueError(
                    "trainer.hidden_stimulus with trainer.measurement_std = "
                    f"{self.trainer.measurement_std:g}: noise is not taken away from rates of "
                    "change, leave it 0"
                )
        if self.trainer.kind == "sgd_graph":
            shape = ModelConfig(
                embedding_dim=self.model.embedding_dim,
                hidden=self.model.hidden,
                n_layers=self.model.n_layers,
                activation=self.model.activation,
            )
            if self.model != shape:
                raise ValueError(
                    "trainer.kind = 'sgd_graph' fits a model of its own, f(v, a, message, I) and "
                    "g(v, a); of model only embedding_dim, hidden, n_layers and activation may be "
                    "set"
                )
        if self.model.transfer_input != "activity" and self.model.embedding == "fixed":
            raise ValueError(
                f"model.transfer_input = '{self.model.transfer_input}' needs latent vectors that "
                "differ between neurons; model.embedding = 'fixed' keeps them equal"
            )
        return self
