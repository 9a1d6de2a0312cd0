"""Spectra, found connections and formulas of one fit. Axes: N neurons, G grid."""

__all__ = ["graph_part", "spectrum_part", "symbolic_part"]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.case import Case
from neuralgnn.analyse.clusters import curve_grid
from neuralgnn.analyse.gauge import Canonical
from neuralgnn.analyse.graph import graph_dataset
from neuralgnn.analyse.spectrum import spectrum, spectrum_dataset
from neuralgnn.analyse.symbolic import (
    Expression,
    compare_symbolic,
    find_expression,
    symbolic_dataset,
)

_SPECTRAL = (
    "spectral_radius_true",
    "spectral_radius_error",
    "eigenvalue_error",
    "singular_value_r2",
    "singular_vector_alignment",
    "eigenvector_alignment",
)
_GRAPH = ("precision", "recall", "f1", "auroc", "auprc", "auroc_z", "auprc_z")


def spectrum_part(case: Case) -> tuple[xr.Dataset, dict[str, float]]:
    """Spectra of learned and true weights."""
    settings = case.config.spectrum.model_dump() | {"seed": case.seed}
    learned = spectrum(case.fitted.weight, **settings)
    true = None if case.true is None else spectrum(case.true.weight, **settings)
    dataset = spectrum_dataset(learned, true, time_unit=case.time_unit)
    names = ("spectral_radius", *(() if true is None else _SPECTRAL))
    return dataset, {name: dataset.attrs[name] for name in names}


def graph_part(
    case: Case, standard_error: Float[np.ndarray, "N N"]
) -> tuple[xr.Dataset, dict[str, float]]:
    """The connections that the fit finds, and how many of them exist.

    Args:
        case: The fit.
        standard_error: Standard error of every learned weight.
    """
    dataset = graph_dataset(
        case.fitted.weight,
        standard_error,
        true=None if case.true is None else case.true.weight,
        **case.config.graph.model_dump(),
    )
    scores = {f"graph_{name}": dataset.attrs[name] for name in _GRAPH if name in dataset.attrs}
    return dataset, {"graph_n_found": dataset.attrs["n_found"]} | scores


def symbolic_part(
    case: Case, labels: Int[np.ndarray, " N"]
) -> tuple[xr.Dataset, dict[str, float]]:
    """Formulas of phi of every cluster and of psi, fitted constants beside true ones.

    A formula is found for the median curve of a cluster, where its neurons have been; the truth
    goes through the same search.

    Args:
        case: The fit.
        labels: Cluster of every neuron.
    """
    learned, share = _expressions(case, case.fitted, labels)
    true = None if case.true is None else _expressions(case, case.true, labels)[0]
    dataset = symbolic_dataset(learned, true, share=list(share.values()))
    if true is None or case.truth is None:
        return dataset, {}
    scores: dict[str, float] = {}
    for word in ("update", "transfer"):
        rows = [name for name in learned if name.startswith(word)]
        each = [compare_symbolic(learned[name], true[name]) for name in rows]
        weight = [share[name] for name in rows]
        for score in ("form", "constants_error"):
            values = [one[score] for one in each]
            scores[f"symbolic_{word}_{score}"] = float(np.average(values, weights=weight))
    slopes = [learned[f"update {k + 1}"].by_function.get("x", (0.0, 1.0))[0] for k in labels]
    decay = case.truth.decay
    scores["symbolic_update_decay_error"] = float(np.mean(np.abs(-np.array(slopes) / decay - 1)))
    dataset.attrs |= scores
    return dataset, scores


def _expressions(
    case: Case, described: Canonical, labels: Int[np.ndarray, " N"]
) -> tuple[dict[str, Expression], dict[str, float]]:
    """Expressions by name of their row, and the share of the neurons that each stands for."""
    curves, share = {}, {}
    everyone = np.ones(len(labels), dtype=bool)
    clusters = {f" {cluster + 1}": labels == cluster for cluster in np.unique(labels)}
    per_sender = case.per_sender and len(described.transfer_curves(np.zeros(1))) == len(labels)
    for word, curves_of, groups in (
        ("update", described.update_curves, clusters),
        ("transfer", described.transfer_curves, clusters if per_sender else {"": everyone}),
    ):
        for suffix, members in groups.items():
            # Beyond what a cluster's own neurons visit, their functions are guesses.
            grid = curve_grid(case.activity[:, members])
            family = curves_of(grid)
            curve = np.median(family[members], axis=0) if len(family) == len(labels) else family[0]
            curves[word + suffix], share[word + suffix] = (grid, curve), float(members.mean())
    settings = case.config.symbolic.model_dump()
    return {
        name: find_expression(grid, curve, **settings) for name, (grid, curve) in curves.items()
    }, share
