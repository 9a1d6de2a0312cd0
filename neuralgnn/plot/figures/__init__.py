"""The figures by name: what each needs, what its caption says, and the function that draws it."""

__all__ = ["FIGURES", "FigureSpec", "Need"]

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # listing the figures needs no matplotlib
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Need:
    """One thing that a figure needs, by its name ``store``, ``experiment__store`` or
    ``experiment__fit__store``.

    Args:
        store: Store of the analysis; or ``activity``, ``metrics``.
        experiment: Experiment that it is of; empty: that of the figure.
        fit: Fit that it is of; empty: the first that has such a store.
    """

    store: str
    experiment: str = ""
    fit: str = ""

    @classmethod
    def of(cls, name: str) -> "Need":
        """Takes a name apart."""
        *owner, store = name.split("__")
        return cls(store, *owner)


@dataclass(frozen=True)
class FigureSpec:
    """One figure.

    Args:
        module: Module below this package; its ``figure`` draws the figure.
        needs: Names of what ``figure`` finds in its mapping: ``activity`` is a stretch of the
            recording, dims ``(time, neuron)``; ``metrics`` the rows of a table of metrics;
            the others are stores of the analysis, see :class:`Need`.
        experiment: Experiment that is shown; empty for figures of several experiments.
        caption: What the figure shows, in sentences, for the report.
        per_fit: Whether any fit of any experiment can be shown this way.
        movie: Whether there is an animated picture with it, of the field or of the eye's lattice.
        graph: Whether it shows fits on a given graph, whose analysis leaves other stores.
        over_seeds: Whether it shows a fit for all its seeds; a need is then given once per seed,
            as ``<need>_<seed>``.
        table: Collection whose table of metrics is meant; ``metrics``: the default one.
    """

    module: str
    needs: tuple[str, ...]
    experiment: str
    caption: str
    per_fit: bool = True
    movie: bool = False
    graph: bool = False
    over_seeds: bool = False
    table: str = "metrics"

    @property
    def experiments(self) -> tuple[str, ...]:
        """Every experiment that is shown, each once."""
        owners = (Need.of(name).experiment or self.experiment for name in self.needs)
        return tuple(dict.fromkeys(owner for owner in owners if owner))

    @property
    def function(self) -> "Callable[..., Figure]":
        """Function that makes the figure from a mapping of what it needs."""
        return import_module(f"{__name__}.{self.module}").figure


_OVERVIEW = ("activity", "weights", "functions", "embedding")
_OVERVIEW_CAPTION = (
    "b, Activity of 100 of the neurons, coloured by type. c, True and d, learned connectivity "
    "on one colour scale, row: receiving, column: sending neuron; insets enlarge the first 20 "
    "rows and columns. e, Learned against true weights of all connections as counts per bin. "
    "f, Latent vectors, coloured by true type. g, Update function of every neuron over the "
    "true ones (grey). h, Transfer function over the true one (grey). Grey bands below g and "
    "h: how often the activity takes each value; lines in them: range in which functions "
    "are compared. Inset in g: the middle of the range, where types differ."
)
_LENGTHS = (*(f"supp_7_{k}k" for k in (10, 20, 30, 40, 50)), "fig_2")
_FILLINGS = (*(f"supp_8_{share}" for share in (5, 10, 20, 50)), "fig_2")
_NETWORK = (
    "b, Activity of 100 of the neurons, coloured by type. c, True and d, learned connectivity. "
    "e, Learned against true weights of all connections as counts per bin, each times the height "
    "of its psi. f, Latent vectors, coloured by true type. g, Update function of every neuron "
    "over the true ones (grey). "
)
_ROLLOUT = (
    "a, Activity of ten neurons, simulated (grey) and predicted (colour: neuron type) from one "
    "held-out state, the one with the median R² at the last marked frame. b, c, Predicted against "
    "simulated activity of all neurons from all starts at the marked frames, with median and "
    "interquartile range of R² over starts. d, R² over neurons for every start and its median "
    "(thick); the axis is logarithmic in 1 − R². Past the Lyapunov horizon no model can follow."
)
_CHANGED = (
    "a, Shares of the neuron types in the original and in the changed network. b, R² over neurons "
    "of every start and its median (thick), for the learned connectivity with the same "
    "connections removed (learned) and for a newly drawn connectivity given to both simulator "
    "and model (published, the procedure of the paper). c–f, Learned: true connectivity of the "
    "changed network, activity of ten neurons (grey: simulated, colour: predicted), and predicted "
    "against simulated activity at the marked frames from all starts. g–j, The same for published."
)


def _of(owners: tuple[str, ...], *stores: str) -> tuple[str, ...]:
    return tuple(f"{owner}__{store}" for owner in owners for store in stores)


FIGURES: dict[str, FigureSpec] = {
    "fig_2": FigureSpec(
        "fig_2",
        _OVERVIEW,
        "fig_2",
        _OVERVIEW_CAPTION,
    ),
    "supp_1": FigureSpec(
        "supp_1",
        ("montage", "weights", "functions", "embedding"),
        "fig_2",
        "Training, one checkpoint per column. a, Latent vectors, coloured by true type. b, Update "
        "functions over the true ones (grey). c, Transfer function over the true one (grey). "
        "d, Learned connectivity, on the colour scale of the true one. e, Learned against true "
        "weights as counts per bin (logarithmic), with R² and slope. Each row has the same axes "
        "in all columns.",
    ),
    "supp_2": FigureSpec("supp_2", ("rollout", "functions"), "fig_2", _ROLLOUT),
    "supp_3": FigureSpec(
        "supp_3",
        _OVERVIEW,
        "supp_3",
        "The fit of a model that knows no neuron types. b, Activity. c, True and d, learned "
        "connectivity. e, Learned against true weights, coloured by the type of the receiving "
        "neuron: each type makes a line of its own. f, The update function, one for all "
        "neurons, over the true ones of the types (grey). g, Transfer function over the true "
        "one (grey).",
    ),
    "supp_4": FigureSpec("supp_4", ("rollout", "functions"), "supp_3", _ROLLOUT),
    "supp_5": FigureSpec("supp_5", ("changed_supp_5", "functions"), "fig_2", _CHANGED),
    "supp_6": FigureSpec("supp_6", ("changed_supp_6", "functions"), "fig_2", _CHANGED),
    "supp_7": FigureSpec(
        "supp_7",
        _of(_LENGTHS, "weights", "functions", "embedding", "identifiability"),
        "",
        "The network of figure 2 recorded for different times, one column each. a, Learned "
        "against true weights as counts per bin, with raw R² and slope. b, Update and c, transfer "
        "functions over the true ones (grey). d, Latent vectors, coloured by true type, with the "
        "number of clusters found and their accuracy. e, Eigenvalues of the Gram matrix of ψ(x): "
        "a short recording explores few directions well; the others carry a signal so weak that "
        "only an almost exact ψ makes their weights known.",
        per_fit=False,
    ),
    "supp_7_progress": FigureSpec(
        "supp_7_progress",
        _of(_LENGTHS, "weights", "identifiability", "sgd__montage"),
        "",
        "a, R² of the weights over the steps of the trainer sgd, by length of the recording. "
        "b, R² at the end of both trainers beside the published values; lines: the largest value "
        "that the recording permits. What is below 0 lies at the lower edge.",
        per_fit=False,
    ),
    "supp_8": FigureSpec(
        "supp_8",
        _of(_FILLINGS, "activity", "weights", "functions", "embedding"),
        "",
        "Networks with a share of the connections, one column each; the fit is not told which. "
        "a, Activity of 25 neurons, coloured by type. b, True connectivity. c, Learned against "
        "true weights with raw R² and slope. d, Update and e, transfer functions over the true "
        "ones (grey). f, Latent vectors, coloured by true type.",
        per_fit=False,
    ),
    "supp_9": FigureSpec(
        "supp_9",
        _of(_FILLINGS, "weights", "identifiability", "sgd__montage"),
        "",
        "a, R² of the weights over the steps of the trainer sgd, by share of connections. b, R² "
        "at the end of both trainers beside the published values; lines: the largest value that "
        "the recording permits. What is below 0 lies at the lower edge.",
        per_fit=False,
    ),
    "supp_10": FigureSpec(
        "supp_10",
        _of(
            ("supp_10__varpro", "supp_10__varpro_recorded"),
            *("activity", "weights", "functions", "embedding", "identifiability"),
        ),
        "",
        "Process noise of 7.2 per step. Left, fitted to the simulator's noise-free drift, as "
        "published; right, to the finite difference of the same activity, which is all that a "
        "recording gives. a, Activity of 25 neurons. b, Learned against true weights with raw "
        "R², slope and the largest R² that unbiased weights can have (Cramér-Rao). c, Update and "
        "d, transfer functions over the true ones (grey). e, Latent vectors, coloured by true "
        "type.",
        per_fit=False,
    ),
    "supp_11": FigureSpec("supp_11", _OVERVIEW, "supp_11", _OVERVIEW_CAPTION),
    "supp_12": FigureSpec("supp_12", _OVERVIEW, "supp_12", _OVERVIEW_CAPTION),
    "assemblies": FigureSpec(
        "summary",
        ("metrics",),
        "",
        "Every assembly: our numbers (dots, one per seed; colour: trainer) beside the published "
        "ones (open diamonds). Short lines: the largest value that the recording permits.",
        per_fit=False,
        table="assemblies",
    ),
    "supp_13": FigureSpec(
        "supp_13",
        _OVERVIEW,
        "supp_13",
        f"A transfer function of the sender. {_NETWORK}h, Transfer function of every neuron over "
        "the true ones of the types (grey), each where its sender has been.",
    ),
    "supp_14": FigureSpec(
        "supp_14",
        _OVERVIEW,
        "supp_14",
        f"A transfer function of sender and receiver. {_NETWORK}h, Transfer functions towards "
        "each type of receivers, coloured by the type of the sender, over the true ones (grey), "
        "where the sender has been.",
    ),
    "fig_3": FigureSpec(
        "fig_3",
        (*_OVERVIEW, "field"),
        "fig_3",
        "a, The hidden field Ω at frame 0, one pixel per driven neuron. b, Activity at frame 0 of "
        "the neurons that the field drives, on their grid, and of the others in the order of "
        "their numbers. c, Activity, coloured by type. d, Learned against true weights of all "
        "connections as counts per bin; those of driven neurons are multiplied by the mean of the "
        "field over time, which the activity cannot tell apart from them. e, Learned against true "
        "field over its mean over time, at every pixel, as counts per bin. f, True and g, learned "
        "field on one grey scale; the learned one as the fit left it, times one factor for all "
        "pixels and frames. h, The field over its mean over time at three pixels (grey: true, "
        "colour: learned).",
        per_fit=False,
        movie=True,
    ),
    "supp_15": FigureSpec(
        "supp_15",
        ("functions", "embedding"),
        "fig_3",
        "The network of figure 3. f, Latent vectors, coloured by true type. g, Update function of "
        "every neuron over the true ones (grey). h, Transfer function of every sending neuron "
        "over the true ones (grey). Grey bands: how often the activity takes each value.",
    ),
    "identifiability": FigureSpec(
        "identifiability",
        ("identifiability", "weights"),
        "fig_2",
        "What the recording can tell about the connectivity. a, Eigenvalues of the Gram matrix of "
        "ψ(x), with its effective rank. b, Error of every weight against its standard error; on "
        "the line both are equal.",
    ),
    "fly": FigureSpec(
        "fly",
        ("prediction", "weights", "functions", "neurons"),
        "fly_005",
        "a, Activity of ten neurons of each cell type under a held-out stimulus, sorted by type, "
        "each around its mean and in units of its standard deviation. "
        "b, Learned against true weights of all edges as counts per bin, with R² of all and of "
        "those that the activity determines. c, Time constants and "
        "d, resting potentials of all neurons, coloured by type. e, Update function without "
        "message and input and f, transfer function of every neuron over its mean ± 2 standard "
        "deviations, true ones in grey. g, UMAP of time constant, resting potential, mean and "
        "spread of in- and out-weights of every neuron, coloured by true type, with the accuracy "
        "of clusters that were found without labels.",
        graph=True,
    ),
    "fly_spectra": FigureSpec(
        "fly_spectra",
        ("spectra",),
        "fly_005",
        "True (grey) and learned (black) connectivity. a, Eigenvalues of largest magnitude. "
        "b, c, Singular values. d, e, Absolute inner products of true and learned right and left "
        "singular vectors. f, The largest one of each true vector; dashed: chance, the best of as "
        "many random directions.",
        graph=True,
    ),
    "fly_types": FigureSpec(
        "fly_types",
        ("neurons", "prediction"),
        "fly_005",
        "Root mean squared errors by cell type: a, weights of incoming edges, b, time constants, "
        "c, resting potentials, d, free-running prediction under held-out stimuli.",
        graph=True,
    ),
    "fly_circuit": FigureSpec(
        "fly_circuit",
        ("circuit",),
        "fly_005",
        "The learned circuit by cell types. a, What a cell of each type (rows) gets from all "
        "cells of each other type (columns): its learned weights, summed. b, Where on the lattice "
        "strong inputs come from, as the receiving cell sees it: mean learned (left) and true "
        "weight at each offset of columns. c, Learned against true sums, of all pairs of types.",
        graph=True,
    ),
    "fly_rollout": FigureSpec(
        "fly_rollout",
        ("prediction", "neurons"),
        "fly_005",
        "Free-running prediction under held-out stimuli from the first frame on. a, Activity of a "
        "neuron of each of twenty cell types, simulated (grey) and predicted (black), around its "
        "mean and in units of its own range. b, Root mean squared error and c, share of the "
        "variance over time that is not predicted, of all neurons. The movie shows the light on "
        "the lattice of columns and the activity of cells of some types in each column, "
        "simulated and predicted.",
        graph=True,
        movie=True,
    ),
    "fly_probes": FigureSpec(
        "fly_probes",
        ("probes",),
        "fly_005",
        "External checks of the fitted network, at its central column. a, Flash response index: "
        "above 0 for cells that prefer bright flashes, below for dark ones; true network (bars) "
        "and learned one (dots); names coloured by what experiments found. b–i, Peak activity of "
        "T4 and T5 by direction of a moving edge, true network (grey) and learned one (black), in "
        "units of the largest; arrows: the directions that experiments found; DSI: direction "
        "selectivity index.",
        graph=True,
    ),
    "fly_stimulus": FigureSpec(
        "fly_stimulus",
        ("prediction",),
        "fly_005_hidden",
        "A stimulus that was not given to the fit, after one line over all columns and frames "
        "(scale and offset are free). a, Frames on the lattice of columns: the true stimulus, the "
        "one recovered from the activity of the photoreceptors, and a network of sines of place "
        "and time (SIREN) that has learnt the recovered one; black and white are the smallest and "
        "largest true value. b, The middle column over time, with the R² of the SIREN over all "
        "columns and the frames that it has learnt. c, Recovered against true values of all "
        "columns at frames evenly spread over the training stretch, as counts per bin.",
        per_fit=False,
        graph=True,
    ),
    "fly_perturbed": FigureSpec(
        "fly_perturbed",
        ("metrics",),
        "",
        "The fly visual system (process noise 0.05) fitted on graphs with edges too many or too "
        "few, and under measurement noise; mean over seeds, open diamonds: published. a, One "
        "minus R² of the weights with null edges added, of all weights and of those that the "
        "activity determines. b, Real edges told from null ones: one minus the area under the "
        "ROC curve, by the size of their weights, with the smallest that the standard errors "
        "permit (lines), and by the odds from the activity and from how often the wiring "
        "repeats an edge. c, As a, with edges missing from the model alone (also with cells of "
        "a type sharing their constants), and from model and simulation as published; "
        "triangles: beyond. d, As a, under measurement noise, from the drift with the "
        "measurement's finite difference (as published), from the finite difference of the "
        "activity, and from the same with the noise's level known and constants shared. "
        "Dashed: what standard errors and undecided shares lead one to expect, if above 1e-5.",
        per_fit=False,
        table="fly_perturbed",
    ),
    "fly_length": FigureSpec(
        "fly_length",
        ("metrics",),
        "",
        "The fly visual system (process noise 0.5) from the finite difference of its activity, "
        "by number of frames; mean over seeds. a to c, R² of the weights, the time constants and "
        "the resting potentials: every neuron's own constants, with what their standard errors "
        "lead one to expect (dashed), and constants shared by cells of a type, which the fit "
        "finds by their wiring.",
        per_fit=False,
        table="fly_perturbed",
    ),
    "analysis": FigureSpec(
        "analysis",
        ("spectrum", "embedding", "symbolic", "graph"),
        "fig_2",
        "a, Eigenvalues of the learned weights (dots) over the true ones (rings); dashed: true "
        "spectral radius. b, Singular values. c, d, Alignment of paired true and learned singular "
        "vectors and eigenvectors, left (rings) and right (dots), with its expectation for "
        "unrelated vectors (dashed); it dips where close values changed places. e, Common share "
        "of the subspaces of the leading left singular vectors, blind to such changes. f, UMAP of "
        "the update functions. g, Precision against recall of the connections, in order of |W| "
        "and of |W| over its standard error; diamond: the graph found without knowledge of the "
        "truth. h, Formulas of the functions of every cluster of neurons (with its share of the "
        "neurons), found by the same search for the learned and for the true functions.",
    ),
    "seeds": FigureSpec(
        "seeds",
        ("embedding",),
        "fig_2",
        "Latent vectors of all neurons, coloured by type, one panel per seed (a to the last) of "
        "simulation and fit, with the number of clusters of update functions and their accuracy.",
        per_fit=False,
        over_seeds=True,
    ),
    "summary": FigureSpec(
        "summary",
        ("metrics",),
        "",
        "Our numbers (dots, one per seed; colour: trainer) beside the published ones (open "
        "diamonds). Short lines: the largest value that the recording permits.",
        per_fit=False,
    ),
}
