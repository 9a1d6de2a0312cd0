r"""Which connections exist. Axes: N neurons, E pairs of different neurons, P points of a curve.

The fit is never told which weights are zero. Two scores order all pairs i != j:

* ``weight``: :math:`|\hat W_{ij}|`;
* ``z``: :math:`|\hat W_{ij}|` over its standard error.

A graph is *found* with what the fit alone knows: pairs get the two-sided p-value of z under a
normal null, and the procedure of Benjamini and Hochberg (1995) declares as many connections as
keeps the expected share of false ones below ``false_discovery_rate``. Standard errors of a fit
to noise-free activity are the scale of its misfit and no confidence interval, so the null may be
given the width that the absent connections show themselves (``null: empirical``, Efron 2004):
the median of z below which a half of all values would lie, were most of them absent, taken from
the lower half of the z values so that present connections hardly count.

Where the truth is known and sparse enough to be worth it, the found graph has precision, recall
and F1 against the true one, and each score its area under the receiver operating characteristic
(AUROC, 0.5 for chance) and average precision (AUPRC, the share of true connections for chance).
"""

__all__ = ["compare_graphs", "found_graph", "graph_dataset", "null_width", "precision_recall"]

from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.special import erfc, erfinv

from neuralgnn.analyse.labels import about

_POINTS = 400  # of a stored curve
_MAX_PAIRS = 4_000_000  # sorted at a time; larger graphs are judged on rows evenly spread

Null = Literal["standard_error", "empirical"]


def null_width(z: Float[np.ndarray, " E"], *, null: Null) -> float:
    """Width of the z of absent connections, in units of the standard error.

    ``empirical`` matches the density of z near zero: the first quartile q of :math:`|z|` of a
    normal null of width s lies at :math:`s \\sqrt 2\\, \\mathrm{erf}^{-1}(1/4)`. Present
    connections add to larger values, so that s is somewhat too large if they are many, and the
    found graph on the safe side. It is never below 1: no fit is better than its standard error.
    """
    if null == "standard_error" or not len(z):
        return 1.0
    return max(1.0, float(np.quantile(z, 0.25) / (np.sqrt(2) * erfinv(0.25))))


def found_graph(
    weight: Float[np.ndarray, "N N"],
    standard_error: Float[np.ndarray, "N N"],
    *,
    false_discovery_rate: float,
    null: Null,
) -> tuple[Bool[np.ndarray, "N N"], float]:
    """Connections that are there by the false-discovery rule, and the smallest z among them.

    Args:
        weight: Learned effective weights.
        standard_error: Their standard errors; the diagonal is not looked at.
        false_discovery_rate: Expected share of false connections among the found ones.
        null: Where the width of the null comes from.

    Returns:
        The graph without diagonal, and infinity in place of z where nothing was found.
    """
    z = _scores(weight, standard_error)["z"]
    different = ~np.eye(len(weight), dtype=bool)
    values = np.sort(z[different] / null_width(z[different], null=null))[::-1]
    # Finite where z is: erfc falls below the smallest number at 38 standard errors.
    p = erfc(values / np.sqrt(2))
    allowed = false_discovery_rate * np.arange(1, len(p) + 1) / max(len(p), 1)
    passed = np.flatnonzero(p <= allowed)
    if not len(passed):
        return np.zeros_like(different), float("inf")
    threshold = float(values[passed[-1]] * null_width(z[different], null=null))
    return (z >= threshold) & different, threshold


def precision_recall(
    score: Float[np.ndarray, " E"], present: Bool[np.ndarray, " E"]
) -> dict[str, Float[np.ndarray, " P"]]:
    """``precision``, ``recall`` and ``false_positive`` rate, one point per distinct score.

    From the strictest threshold to the one that lets everything through; pairs with equal
    scores pass together.

    Raises:
        ValueError: If not both kinds of pairs occur.
    """
    n_present = int(np.count_nonzero(present))
    if not 0 < n_present < len(present):
        raise ValueError(
            f"{n_present} of {len(present)} pairs are connected; precision and recall need both "
            "connected and unconnected pairs"
        )
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(present[order])[last]
    passed = last + 1
    return {
        "precision": hits / passed,
        "recall": hits / n_present,
        "false_positive": (passed - hits) / (len(present) - n_present),
    }


def compare_graphs(
    weight: Float[np.ndarray, "N N"],
    standard_error: Float[np.ndarray, "N N"],
    found: Bool[np.ndarray, "N N"],
    true: Float[np.ndarray, "N N"],
) -> tuple[dict[str, float], dict[str, dict[str, Float[np.ndarray, " P"]]]]:
    """Scores of the found graph and of both orders; curves thinned to even steps of recall.

    Args:
        weight: Learned effective weights.
        standard_error: Their standard errors.
        found: The graph that the rule found.
        true: True weights; exactly zero where there is no connection.
    """
    different = ~np.eye(len(weight), dtype=bool)
    present = true != 0
    hits = np.count_nonzero(found & present & different)
    precision = _ratio(hits, np.count_nonzero(found & different))
    recall = _ratio(hits, np.count_nonzero(present & different))
    scores = {
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * hits, np.count_nonzero(found) + np.count_nonzero(present & different)),
    }
    n_rows = max(1, min(len(weight), _MAX_PAIRS // len(weight)))
    rows = np.unique(np.linspace(0, len(weight) - 1, n_rows).round().astype(int))
    curves = {}
    for name, values in _scores(weight[rows], standard_error[rows]).items():
        curve = precision_recall(values[different[rows]], present[rows][different[rows]])
        suffix = "" if name == "weight" else f"_{name}"
        scores[f"auroc{suffix}"] = _area(curve["false_positive"], curve["recall"])
        scores[f"auprc{suffix}"] = float(
            (np.diff(curve["recall"], prepend=0.0) * curve["precision"]).sum()
        )
        curves[name] = _thinned(curve)
    return scores, curves


def graph_dataset(
    weight: Float[np.ndarray, "N N"],
    standard_error: Float[np.ndarray, "N N"],
    *,
    false_discovery_rate: float,
    null: Null,
    min_absent: float,
    true: Float[np.ndarray, "N N"] | None = None,
) -> xr.Dataset:
    """The found graph as stored in ``graph.zarr``; scores are attributes where they mean much.

    Args:
        weight: Learned effective weights.
        standard_error: Their standard errors.
        false_discovery_rate: Expected share of false connections among the found ones.
        null: Where the width of the null comes from.
        min_absent: Share of absent connections below which the graph is not compared: where
            almost all pairs are connected, precision cannot be low.
        true: True weights.
    """
    found, threshold = found_graph(
        weight, standard_error, false_discovery_rate=false_discovery_rate, null=null
    )
    dataset = xr.Dataset(
        {"edge": (("post", "pre"), found, about("connection found", "1"))},
        attrs={
            "n_found": int(found.sum()),
            "false_discovery_rate": false_discovery_rate,
            "null": null,
            "threshold_z": threshold if np.isfinite(threshold) else None,
        },
    )
    if true is None:
        return dataset
    n_pairs = len(true) * (len(true) - 1)
    n_present = int(np.count_nonzero(true)) - int(np.count_nonzero(np.diagonal(true)))
    dataset.attrs["share_present"] = _ratio(n_present, n_pairs)
    if not n_present or n_pairs - n_present < max(min_absent * n_pairs, 1):
        return dataset
    scores, curves = compare_graphs(weight, standard_error, found, true)
    for name in ("precision", "recall", "false_positive"):
        values = np.stack([curve[name] for curve in curves.values()])
        title = f"{name.replace('_', ' ')}{' rate' if name == 'false_positive' else ''}"
        dataset[name] = (("score", "point"), values, about(title, "1"))
    return dataset.assign_coords(score=list(curves)).assign_attrs(scores)


def _scores(
    weight: Float[np.ndarray, "R N"], standard_error: Float[np.ndarray, "R N"]
) -> dict[str, Float[np.ndarray, "R N"]]:
    """Absolute weights, and in units of their standard errors; 0 where there is no error."""
    size = np.abs(weight)
    z = np.divide(size, standard_error, out=np.zeros_like(size), where=standard_error > 0)
    return {"weight": size, "z": z}


def _thinned(curve: dict[str, Float[np.ndarray, " P"]]) -> dict[str, Float[np.ndarray, " P"]]:
    """The points next to even steps of recall, always as many."""
    place = np.searchsorted(curve["recall"], np.linspace(0, 1, _POINTS + 1)[1:] - 1e-12)
    place = np.minimum(place, len(curve["recall"]) - 1)
    return {name: values[place] for name, values in curve.items()}


def _area(x: Float[np.ndarray, " P"], y: Float[np.ndarray, " P"]) -> float:
    """Trapezoids below a curve that starts at the origin."""
    return float(np.trapezoid(np.append(0.0, y), np.append(0.0, x)))


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else float("nan")
