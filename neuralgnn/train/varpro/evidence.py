r"""The ridge on W that the data themselves ask for. Axes: T samples, N senders, I receivers.

With weights drawn from N(0, s_w^2) and residuals from N(0, s^2), the most probable weights are
those of the ridge ``lambda = s^2 / s_w^2``. Both variances are read off the solution itself:
``gamma = N - lambda tr G^-1`` weights of a row are determined by the data, and

.. math:: s^2 = \frac{\sum r^2}{I (T - \gamma)}, \qquad s_w^2 = \frac{\sum w^2}{I \gamma},

which is iterated. What a transfer function that is still wrong leaves unexplained counts as
noise: the ridge is large at first, keeps weights from explaining it, and falls as psi improves.

Source: MacKay 1992, Neural Computation 4, 415 (equations 2.4 and 4.9).
"""

__all__ = ["SMALLEST", "evidence_ridge"]

from neuralgnn.train.varpro.rows import GramFactor

SMALLEST = 1e-13
"""Relative ridge below which rounding of the Gram matrix decides [1]."""


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
    return max(noise / spread / factor.mean_square, SMALLEST)
