"""Figures of the fly visual system."""

__all__ = ["FLY_FIGURES"]

from neuralgnn.plot.figures.spec import FigureSpec

FLY_FIGURES = {
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
}
