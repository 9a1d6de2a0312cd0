"""How a model on given edges is fitted."""

__all__ = [
    "AlikeConfig",
    "DoubtfulEdgesConfig",
    "GraphSgdConfig",
    "GraphVarproConfig",
    "HiddenStimulusConfig",
]

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from neuralgnn.config.base import Section


class AlikeConfig(Section):
    """Neurons of one type share their constants, and weights of like pairs are one.

    Types are not told: neurons, which must have places on a lattice, are clustered by their
    wiring, and a cluster is split by what was found about its neurons where that explains most of
    what sharing costs. Like pairs are of the same two clusters and the same distance.
    """

    max_clusters: PositiveInt = 100
    """Largest number of clusters before any is split; the number is chosen by BIC."""
    tolerance: NonNegativeFloat = 0.05
    """Share of its rate's variance that sharing may leave unexplained of the median neuron of a
    cluster beyond what its own constants leave; a cluster above it does not share [1]."""


class DoubtfulEdgesConfig(Section):
    """Some of the given edges may not be there: the fit says of each how likely it is.

    From its weight and standard error, and from others of its kind: edges between neurons of the
    same two clusters at the same distance. Neurons, which must have places on a lattice, are
    clustered by those of their edges that the activity vouches for.
    """

    max_clusters: PositiveInt = 100
    """Largest number of clusters of neurons; the number is chosen by BIC."""


class HiddenStimulusConfig(Section):
    """The stimulus is not given: only which neurons share its channels, and where these are.

    The values of every channel are solved for together with the constants of its neurons; the
    recording's own are never read. A network of sines (SIREN) then learns the first frames of
    what was found; nothing else depends on it.
    """

    siren_frames: NonNegativeInt = 1000
    """Frames of the training stretch that the network learns; 0: there is no network."""
    siren_hidden: PositiveInt = 128
    """Width of its hidden layers."""
    siren_layers: PositiveInt = 3
    """Hidden layers after the first one."""
    siren_omega_0: PositiveFloat = 30.0
    """Factor in every sine."""
    siren_frames_per_unit: PositiveFloat = 25.0
    """Frames over which the network's time rises by one; its places run from -1 to 1."""
    siren_steps: PositiveInt = 3000
    """Adam steps."""
    siren_batch_size: PositiveInt = 4096
    """Points of place and time per step."""
    siren_learning_rate: PositiveFloat = 5e-4
    """Adam learning rate; it falls along a cosine."""


class GraphVarproConfig(Section):
    """Variable projection for recordings with a graph: every neuron's own in-edges are solved for.

    dv_i/dt = b_i - v_i / tau_i + s_i (sum_j W_ij g(v_j) + I_i), with one unknown g.
    """

    kind: Literal["varpro_graph"]
    n_samples: Annotated[int, Field(ge=100)] = 16_000
    """Frames used in the final solve, evenly spread over the training stretch."""
    n_opening_samples: NonNegativeInt = 50
    """Frames at the beginning of the recording that are used in the final solve whatever their
    spread: a network that has yet to settle shows cells active that no stimulus drives."""
    n_search_samples: Annotated[int, Field(ge=100)] = 1500
    """Frames used while the transfer function is searched."""
    n_receivers: PositiveInt = 120
    """Receiving neurons used while the transfer function is searched."""
    n_knots: Annotated[int, Field(ge=4)] = 25
    """Knots of the piecewise linear transfer function, one of them at 0."""
    refine_knots: NonNegativeInt = 8
    """Knots added where the transfer function found first bends; kept if held-out frames are
    then predicted better."""
    starts: Annotated[
        tuple[Literal["linear", "saturating", "rectifying"], ...], Field(min_length=1)
    ] = ("linear", "saturating", "rectifying")
    """Shapes of the transfer function that searches start from; the error on held-out frames
    chooses."""
    max_iterations: PositiveInt = 60
    """Upper bound of the Gauss-Newton iterations per search."""
    ridge: NonNegativeFloat = 1e-8
    """Ridge on messages, relative to a message of unit variance; there is none on the leak [1]."""
    measurement_std: NonNegativeFloat = 0.0
    """Standard deviation of the measurement noise, where it is known: what it adds to the
    products of the final solve is then taken away; the target is taken to contain its finite
    difference; 0: nothing is taken away [activity]."""
    alike: AlikeConfig | None = None
    """Whether neurons of one type share their constants; null: no."""
    doubtful_edges: DoubtfulEdgesConfig | None = None
    """Whether it is weighed which of the edges are real; null: all count as real."""
    hidden_stimulus: HiddenStimulusConfig | None = None
    """How the stimulus is found where it is not given; null: it is given. Needs the target
    `drift` and activity without measurement noise."""


class GraphSgdConfig(Section):
    """Stochastic gradient descent with the published recipe on recordings with a graph.

    dv_i/dt = f(v_i, a_i, sum_j W_ij g(v_j, a_j)^2, I_i). Defaults: as published for process
    noise 0.05; the published model has `model.hidden` 80.
    """

    kind: Literal["sgd_graph"]
    n_steps: PositiveInt = 112_000
    """Gradient steps."""
    batch_size: PositiveInt = 4
    """Frames per step."""
    lr_weight: PositiveFloat = 9e-4
    """Adam learning rate of W."""
    lr_functions: PositiveFloat = 1.8e-3
    """Adam learning rate of f and g."""
    lr_embedding: PositiveFloat = 2.325e-3
    """Adam learning rate of the latent vectors a."""
    decay_from: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the steps after which learning rates fall to zero along a cosine; 1: never."""
    squared: bool = True
    """Whether messages are squared, hence not negative."""
    weight_scale: NonNegativeFloat = 1.0
    """Initial weights are drawn from N(0, weight_scale^2 / number of edges) [1]."""
    transfer_monotonic: NonNegativeFloat = 750.0
    """Coefficient of the penalty on decreasing stretches of messages."""
    transfer_norm: NonNegativeFloat = 0.9
    """Coefficient of the penalty that ties the message at a large activity to that activity."""
    transfer_l1: NonNegativeFloat = 0.28
    """Coefficient of the sum of the absolute parameters of g."""
    update_l1: NonNegativeFloat = 0.05
    """Coefficient of the sum of the absolute parameters of f."""
    update_l2: NonNegativeFloat = 1e-3
    """Coefficient of the norms of the parameters of f."""
    weight_l1: NonNegativeFloat = 1.5e-4
    """Coefficient of sum |W|."""
    checkpoint_every: PositiveInt = 1_000
    """Steps between checkpoints; a killed run resumes from the last."""
    keep_checkpoints: Annotated[int, Field(ge=2)] = 20
    """Checkpoints kept for selection, evenly spread."""
