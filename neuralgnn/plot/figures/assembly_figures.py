"""Figures of the neural assemblies, and those of any fit of them."""

__all__ = ["ASSEMBLY_FIGURES"]

from neuralgnn.plot.figures.spec import FigureSpec

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


ASSEMBLY_FIGURES = {
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
        "Every assembly: our numbers (dots, one per seed; colour: fit) beside the published ones "
        "(open diamonds); columns: medians over seeds. *, by the published correction or "
        "procedure. Short lines: the largest value that the recording permits.",
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
        "Our numbers (dots, one per seed; colour: fit) beside the published ones (open "
        "diamonds); columns: medians over seeds. *, by the published correction or procedure. "
        "Short lines: the largest value that the recording permits.",
        per_fit=False,
    ),
}
