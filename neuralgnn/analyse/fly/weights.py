"""Weights of a model on given edges, beside the true ones. Axes: E edges.

Ceilings are what a fit without bias would reach on average. Of the R² of all weights: the one that
follows from their standard errors, where the share of a weight that the data do not decide stays
at zero. Of the R² of the identifiable ones: that of the Cramér-Rao bound, the smallest
standard errors of any unbiased estimate from this target. A prior may do better than the bound.
"""

__all__ = ["weights_dataset"]

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from neuralgnn.analyse.fly.correction import Constants
from neuralgnn.analyse.fly.quality import EdgeQuality
from neuralgnn.analyse.fly.scores import Metrics, auroc, ceiling_r2, line_scores, r2
from neuralgnn.analyse.labels import about
from neuralgnn.data.graph import Graph

_SEED = 0  # of the errors drawn for the ceiling of the area under the ROC curve


def weights_dataset(
    graph: Graph,
    own: Constants,
    published: Constants,
    true: Constants | None,
    truth: xr.Dataset | None,
    quality: EdgeQuality,
) -> tuple[xr.Dataset, Metrics, Metrics]:
    """Weights as stored, scores, and the ceilings of scores.

    Args:
        graph: The edges.
        own: Weights that the model implies.
        published: The same by the published correction.
        true: True ones.
        truth: ``is_null_edge(edge)`` where there are null edges.
        quality: What the fit says of its weights.
    """
    columns = {
        "pre": (graph.pre, "sending neuron"),
        "post": (graph.post, "receiving neuron"),
        "learned_weight": (own.weight, "learned weight"),
        "published_weight": (published.weight, "learned weight, published correction"),
        "standard_error": (quality.error, "standard error of the learned weight"),
        "unbiased_error": (quality.unbiased_error, "standard error without prior"),
        "resolution": (quality.resolution, "share of the weight that the data decide"),
    }
    if quality.log_odds is not None:
        columns["log_odds"] = (quality.log_odds, "log odds that the edge is real")
    known = quality.known
    metrics: Metrics = {}
    if np.isfinite(quality.error).any():
        metrics["weights_identifiable_share"] = float(known.mean())
    ceilings: Metrics = {}
    if true is not None and truth is not None:
        columns["true_weight"] = (true.weight, "true weight")
        metrics |= _scores(own, published, true, known)
        if np.isfinite(quality.error).any():  # sgd knows nothing of its errors
            ceilings["weights_r2"] = ceiling_r2(quality.expected_error(true.weight), true.weight)
        bound = quality.unbiased_error[known]
        if np.isfinite(bound).all():
            ceilings["weights_r2_identifiable"] = ceiling_r2(bound, true.weight[known])
        if "is_null_edge" in truth and truth["is_null_edge"].values.any():
            null = truth["is_null_edge"].values.astype(bool)
            found, most = _null_scores(own.weight, true.weight, null, quality)
            metrics, ceilings = metrics | found, ceilings | most
    dataset = xr.Dataset(
        {
            name: ("edge", values.astype(np.int32 if name in ("pre", "post") else np.float32))
            for name, (values, _) in columns.items()
        }
    )
    for name, (_, title) in columns.items():
        dataset[name].attrs = about(title, "1")
    scores = {name: value for name, value in metrics.items() if np.isfinite(value)}
    return dataset.assign_attrs(scores), metrics, ceilings


def _scores(
    own: Constants, published: Constants, true: Constants, known: Bool[np.ndarray, " E"]
) -> Metrics:
    pearson2, slope = line_scores(own.weight, true.weight)
    line = line_scores(published.weight, true.weight, drop_outliers=True)
    return {
        "weights_r2": r2(own.weight, true.weight),
        "weights_pearson2": pearson2,
        "weights_slope": slope,
        "weights_r2_identifiable": r2(own.weight[known], true.weight[known]),
        "weights_r2_published_correction": line[0],
        "weights_slope_published_correction": line[1],
    }


def _null_scores(
    learned: Float[np.ndarray, " E"],
    true: Float[np.ndarray, " E"],
    null: Bool[np.ndarray, " E"],
    quality: EdgeQuality,
) -> tuple[Metrics, Metrics]:
    """How well null edges are told from real ones, by the size of their weights and by the odds
    that the fit gives, and how well they could be by the size of weights.

    Real edges of weight zero are left out: in the activity nothing tells them from null ones.
    """
    considered = (true != 0) | null
    decided = considered & quality.known
    size = np.abs(learned)
    metrics = {
        "weights_r2_real_edges": r2(learned[~null], true[~null]),
        "weights_auroc_null": auroc(size[considered], ~null[considered]),
        "weights_auroc_null_identifiable": auroc(size[decided], ~null[decided]),
    }
    if quality.log_odds is not None and quality.activity_log_odds is not None:
        kept = considered & (quality.log_odds > 0)
        metrics |= {
            "edges_auroc": auroc(quality.log_odds[considered], ~null[considered]),
            "edges_auroc_activity": auroc(
                quality.activity_log_odds[considered], ~null[considered]
            ),
            "edges_precision": float((~null)[kept].mean()),
            "edges_recall": float(kept[considered & ~null].mean()),
        }
    if not np.isfinite(quality.error[quality.known]).all():
        return metrics, {}
    noise = np.random.default_rng(_SEED).standard_normal(len(true))
    # A prior towards zero leaves the decided share of a weight, and of its error.
    share = quality.resolution
    spread = np.where(np.isfinite(quality.error), quality.error, 0.0) * np.sqrt(share)
    best = np.abs(share * true + spread * noise)
    return metrics, {
        "weights_auroc_null": auroc(best[considered], ~null[considered]),
        "weights_auroc_null_identifiable": auroc(best[decided], ~null[decided]),
    }
