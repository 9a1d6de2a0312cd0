r"""Learned against true connectivity. Axes: N neurons; W[i, j] acts from j on i.

Both matrices are effective weights in one gauge (:mod:`neuralgnn.analyse.gauge`). Three numbers
over all pairs i != j, because each alone can deceive:

* ``r2``: :math:`1 - \sum (\hat W - W)^2 / \sum (W - \bar W)^2`, 1 for equality alone;
* ``pearson2``: squared correlation, blind to scale and offset;
* ``slope``: least squares of learned on true, blind to scatter.

The published pair (R² of the line, slope) is taken over all entries, the zero diagonal included.
"""

__all__ = [
    "compare_weights",
    "identifiable_r2",
    "off_diagonal_variance",
    "published_scores",
    "weights_dataset",
]

from collections.abc import Iterator

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

_BLOCK = 500  # rows held in double precision at a time


def compare_weights(
    learned: Float[np.ndarray, "N N"], true: Float[np.ndarray, "N N"]
) -> dict[str, float]:
    """``r2``, ``pearson2`` and ``slope`` over all off-diagonal entries.

    A number that does not exist (true weights all equal) is NaN.

    Raises:
        ValueError: If the shapes differ.
    """
    moments = _moments(learned, true, diagonal=False)
    return {
        "r2": 1 - _ratio(moments["squared_error"], moments["true_true"]),
        "pearson2": _ratio(
            moments["true_learned"] ** 2, moments["true_true"] * moments["learned_learned"]
        ),
        "slope": _ratio(moments["true_learned"], moments["true_true"]),
    }


def published_scores(
    learned: Float[np.ndarray, "N N"], true: Float[np.ndarray, "N N"]
) -> dict[str, float]:
    """``r2`` of a line of learned on true and its ``slope``, over all N² entries.

    Source: published code of Allier et al. 2026; no outlier is left out. The R² of a line with
    intercept is the squared correlation.

    Raises:
        ValueError: If the shapes differ.
    """
    moments = _moments(learned, true, diagonal=True)
    return {
        "r2": _ratio(
            moments["true_learned"] ** 2, moments["true_true"] * moments["learned_learned"]
        ),
        "slope": _ratio(moments["true_learned"], moments["true_true"]),
    }


def identifiable_r2(
    learned: Float[np.ndarray, "N N"],
    true: Float[np.ndarray, "N N"],
    *,
    directions: Float[np.ndarray, "N D"],
) -> float:
    """R² of the part of the weights that the activity determines.

    Rows of both matrices are projected on orthonormal directions of sender space, those that
    :func:`neuralgnn.analyse.identifiability.identifiable_directions` finds.

    Args:
        learned: Learned effective weights.
        true: True effective weights in the same gauge.
        directions: Columns; all N of them give the R² of the whole.
    """
    seen = true @ directions
    error = learned @ directions - seen
    return 1 - _ratio(float((error**2).sum()), float(((seen - seen.mean(axis=0)) ** 2).sum()))


def off_diagonal_variance(weight: Float[np.ndarray, "N N"]) -> float:
    """Variance of all weights but the diagonal."""
    n = len(weight)
    return _moments(weight, weight, diagonal=False)["true_true"] / max(n * (n - 1), 1)


def weights_dataset(
    learned: Float[np.ndarray, "N N"],
    *,
    time_unit: str,
    standard_error: Float[np.ndarray, "N N"] | None = None,
    true: Float[np.ndarray, "N N"] | None = None,
    published: Float[np.ndarray, "N N"] | None = None,
    published_true: Float[np.ndarray, "N N"] | None = None,
    types: Int[np.ndarray, " N"] | None = None,
) -> xr.Dataset:
    """Connectivity as stored in ``weights.zarr``; scores are attributes where truth is known.

    Args:
        learned: Learned effective weights in the canonical gauge.
        time_unit: The recording's unit of time.
        standard_error: Standard error of each learned weight.
        true: True effective weights in the same gauge.
        published: Learned weights by the published correction.
        published_true: What they are compared with: W without gain.
        types: True types.
    """
    unit = f"activity/{time_unit}"
    variables = {
        "learned_weight": (learned, "learned weight", unit),
        "true_weight": (true, "true weight", unit),
        "standard_error": (standard_error, "standard error of the learned weight", unit),
        "published_weight": (published, "learned weight, published correction", "1"),
    }
    dataset = xr.Dataset(
        {
            name: (
                ("post", "pre"),
                values.astype(np.float32),
                {"long_name": title, "units": units},
            )
            for name, (values, title, units) in variables.items()
            if values is not None
        }
    )
    if types is not None:
        dataset = dataset.assign_coords(
            type=("post", types.astype(np.int64), {"long_name": "true type", "units": "1"})
        )
    if true is not None:
        dataset.attrs |= compare_weights(learned, true)
    if published is not None and published_true is not None:
        scores = published_scores(published, published_true)
        dataset.attrs |= {f"published_{name}": value for name, value in scores.items()}
    return dataset


def _moments(
    learned: Float[np.ndarray, "N N"], true: Float[np.ndarray, "N N"], *, diagonal: bool
) -> dict[str, float]:
    """Centred second moments and squared error, summed in blocks of rows."""
    if learned.shape != true.shape or learned.ndim != 2 or len(learned) != len(learned.T):
        raise ValueError(
            f"weights have shapes {learned.shape} and {true.shape}; expected the same square"
        )
    count = learned.size - (0 if diagonal else len(learned))
    mean_true, mean_learned = (
        sum(float(block[0].sum()) for block in _blocks(matrix, diagonal=diagonal)) / count
        for matrix in (true, learned)
    )
    names = ("squared_error", "true_true", "true_learned", "learned_learned")
    total: dict[str, float] = dict.fromkeys(names, 0.0)
    pairs = zip(_blocks(true, diagonal=diagonal), _blocks(learned, diagonal=diagonal), strict=True)
    for (true_block, kept), (learned_block, _) in pairs:
        total["squared_error"] += float(((learned_block - true_block) ** 2).sum())
        true_block = (true_block - mean_true) * kept
        learned_block = (learned_block - mean_learned) * kept
        total["true_true"] += float((true_block**2).sum())
        total["true_learned"] += float((true_block * learned_block).sum())
        total["learned_learned"] += float((learned_block**2).sum())
    return total


def _blocks(
    matrix: Float[np.ndarray, "N N"], *, diagonal: bool
) -> Iterator[tuple[Float[np.ndarray, "B N"], Float[np.ndarray, "B N"]]]:
    """Blocks of rows in double precision and the 0/1 mask of the entries that count."""
    n = len(matrix)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        kept = np.ones((len(rows), n))
        if not diagonal:
            kept[np.arange(len(rows)), rows] = 0.0
        yield matrix[rows].astype(np.float64) * kept, kept


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
