r"""The ridge on W that the data themselves ask for. Axes: T samples, N senders, I receivers.

With weights drawn from N(0, s_w^2) and residuals from N(0, s^2), the most probable weights are
those of the ridge ``lambda = s^2 / s_w^2``. Both variances are read off the solution itself:
``gamma = N - lambda tr G^-1`` weights of a row are determined by the data, and

.. math:: s^2 = \frac{\sum r^2}{I (T - \gamma)}, \qquad s_w^2 = \frac{\sum w^2}{I \gamma},

which is iterated. What a transfer function that is still wrong leaves unexplained counts as
noise: the ridge is large at first, keeps weights from explaining it, and falls as psi improves.

Where noise hides most of W, the iteration rises by one unit a time to a ridge of hundreds;
:func:`raised_ridge` gets there by the secant rule (with a Gram matrix d I, what is wanted is
``(d + lambda) s^2 / (d s_w^2 + s^2)``).

Source: MacKay 1992, Neural Computation 4, 415 (equations 2.4 and 4.9).
"""

__all__ = ["LARGEST", "SMALLEST", "evidence_ridge", "raised_ridge"]

import math
from collections.abc import Callable
from typing import TypeVar

from neuralgnn.train.varpro.rows import GramFactor

SMALLEST = 1e-13
"""Relative ridge below which rounding of the Gram matrix decides [1]."""

LARGEST = 1e6
"""Relative ridge above which W is zero for all purposes [1]."""

_MOST_TIMES = 30.0  # that the ridge rises by at once, beyond what is wanted
_MOST_ROUNDS = 12
_TOLERANCE = 0.05

Solution = TypeVar("Solution")


def evidence_ridge(
    factor: GramFactor,
    *,
    n_samples: int,
    n_receivers: int,
    squared_residuals: float,
    squared_weights: float,
) -> float:
    """The next relative ridge, from the solution at the present one.

    Args:
        factor: Gram factor with the present ridge.
        n_samples: Samples T.
        n_receivers: Rows I that were solved.
        squared_residuals: Sum over samples and receivers.
        squared_weights: Sum over all solved weights.
    """
    determined = len(factor.factor) - factor.ridge * factor.inverse_trace
    determined = min(max(determined, 1e-3), n_samples - 1.0)
    noise = squared_residuals / (n_receivers * (n_samples - determined))
    spread = squared_weights / (n_receivers * determined)
    if not noise > 0 or not spread > 0:
        return SMALLEST
    return min(max(noise / spread / factor.mean_square, SMALLEST), LARGEST)


def raised_ridge(
    ridge: float,
    solution: Solution,
    *,
    wanted: Callable[[Solution], float],
    solved: Callable[[float], Solution],
) -> tuple[float, Solution]:
    """Raises a ridge until the evidence asks for no more; one that it wants lower stays.

    Args:
        ridge: The present relative ridge.
        solution: The solution with it.
        wanted: :func:`evidence_ridge` of a solution.
        solved: Solves with a relative ridge.

    Returns:
        The ridge and the solution with it.
    """
    before: tuple[float, float] | None = None
    for _ in range(_MOST_ROUNDS):
        stride = rise = wanted(solution) - ridge
        if before is not None and rise > 0:
            fall = before[1] - rise  # what is wanted is linear in the ridge where noise rules
            stride = rise * (ridge - before[0]) / fall if fall > 0 else math.inf
        if stride < _TOLERANCE * ridge or ridge == LARGEST:
            break
        before = (ridge, rise)
        ridge = min(ridge + max(stride, rise), max(_MOST_TIMES * ridge, ridge + rise), LARGEST)
        solution = solved(ridge)
    return ridge, solution
