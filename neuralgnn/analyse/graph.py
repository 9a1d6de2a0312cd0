r"""Which connections exist. Axes: N neurons, E pairs of different neurons, P points of a curve.

The fit is never told which weights are zero. Two scores order all pairs i != j:

* ``weight``: :math:`|\hat W_{ij}|`;
* ``z``: :math:`|\hat W_{ij}|` over its standard error.

A graph is *found* with what the fit alone knows (:mod:`neuralgnn.models.connections`).

Where the truth is known and sparse enough to be worth it, the found graph has precision, recall
and F1 against the true one, and each score its area under the receiver operating characteristic
(AUROC, 0.5 for chance) and average precision (AUPRC, the share of true connections for chance).
"""

__all__ = ["compare_graphs", "graph_dataset", "precision_recall"]

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from neuralgnn.analyse.labels import about
from neuralgnn.models.connections import Null, found_graph, two_groups, z_scores

_POINTS = 400  # of a stored curve
_MAX_PAIRS = 4_000_000  # sorted at a time; larger graphs are judged on rows evenly spread


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
    hits = float(np.count_nonzero(found & present & different))
    n_found = float(np.count_nonzero(found & different))
    n_present = float(np.count_nonzero(present & different))
    scores = {
        "precision": _ratio(hits, n_found),
        "recall": _ratio(hits, n_present),
        "f1": _ratio(2 * hits, n_found + n_present),
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
        null: Where share and width of absent connections come from.
        min_absent: Share of absent connections below which the graph is not compared: where
            almost all pairs are connected, precision cannot be low.
        true: True weights.
    """
    z = z_scores(weight, standard_error)
    groups = two_groups(z[~np.eye(len(z), dtype=bool)], null=null)
    found, threshold = found_graph(
        weight, standard_error, false_discovery_rate=false_discovery_rate, groups=groups
    )
    dataset = xr.Dataset(
        {"edge": (("post", "pre"), found, about("connection found", "1"))},
        attrs={
            "n_found": int(found.sum()),
            "false_discovery_rate": false_discovery_rate,
            "null": null,
            "null_width": groups.width,
            "share_absent_estimated": groups.absent,
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
    """What orders the pairs."""
    return {"weight": np.abs(weight), "z": z_scores(weight, standard_error)}


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
