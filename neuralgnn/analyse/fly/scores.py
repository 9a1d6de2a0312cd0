"""Learned against true numbers, one per edge or per neuron. Axes: M numbers."""

__all__ = ["Metrics", "auroc", "ceiling_r2", "line_scores", "r2"]

import numpy as np
from jaxtyping import Bool, Float
from sklearn.metrics import roc_auc_score

Metrics = dict[str, float]
"""Values by the name of the metric."""

_OUTLIER = 5.0


def r2(learned: Float[np.ndarray, " M"], true: Float[np.ndarray, " M"]) -> float:
    """1 - SSE / SST: 1 for equality alone; NaN where true numbers are all equal."""
    total = ((true - true.mean()) ** 2).sum() if len(true) else 0.0
    return float(1 - ((learned - true) ** 2).sum() / total) if total > 0 else float("nan")


def line_scores(
    learned: Float[np.ndarray, " M"], true: Float[np.ndarray, " M"], *, drop_outliers: bool = False
) -> tuple[float, float]:
    """Squared correlation and slope of the line of learned on true, as published.

    Args:
        learned: Learned numbers.
        true: True numbers.
        drop_outliers: Whether pairs further apart than 5 are left out, as for published weights.
    """
    if drop_outliers:
        kept = np.abs(learned - true) <= _OUTLIER
        learned, true = learned[kept], true[kept]
    if len(true) < 2:
        return float("nan"), float("nan")
    x, y = true - true.mean(), learned - learned.mean()
    xx, yy, xy = (x * x).sum(), (y * y).sum(), (x * y).sum()
    if not xx > 0 or not yy > 0:
        return float("nan"), float("nan")
    return float(xy**2 / (xx * yy)), float(xy / xx)


def ceiling_r2(error: Float[np.ndarray, " M"], true: Float[np.ndarray, " M"]) -> float:
    """R² to be expected of numbers with these errors; NaN where true numbers are all equal."""
    total = ((true - true.mean()) ** 2).sum() if len(true) else 0.0
    return float(1 - (error.astype(np.float64) ** 2).sum() / total) if total > 0 else float("nan")


def auroc(score: Float[np.ndarray, " M"], positive: Bool[np.ndarray, " M"]) -> float:
    """Probability that a positive one has the larger score; NaN where all are alike."""
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score))
