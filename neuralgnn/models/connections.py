r"""Which connections a fit finds. Axes: N neurons, E pairs of different neurons.

Values of :math:`z = |\hat W_{ij}|` over its standard error are a mixture of absent connections, a
share :math:`\pi_0` with normal z of width s, and present ones, whose weights are heavy-tailed:
Cauchy of scale :math:`\tau`, hence Voigt once errors are added. Maximum likelihood gives the
three numbers (two-groups model, Efron 2004), and the threshold is the lowest one at which

.. math:: \pi_0\, E\, P(|Z| > z / s) \le q \cdot \#\{|z_{ij}| \ge z\},

q being ``false_discovery_rate``. Standard errors of a fit to noise-free activity are the scale of
its misfit and no confidence interval; so s may be up to four, but not below one: no fit is better
than its standard errors, and a broader bulk is weights. With ``null: standard_error`` nothing is
estimated, :math:`\pi_0 = s = 1`, and the rule is that of Benjamini and Hochberg (1995).
"""

__all__ = ["TwoGroups", "found_graph", "two_groups", "z_scores"]

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import erfc, expit, voigt_profile

_MIN_PAIRS = 100  # from which three numbers are estimated
_WIDEST = 4.0  # width of absent connections, in standard errors

Null = Literal["standard_error", "empirical"]


@dataclass(frozen=True)
class TwoGroups:
    """Absent and present connections as the values of z show them.

    Attributes:
        absent: Share of absent connections.
        width: Standard deviation of their z.
    """

    absent: float
    width: float


def two_groups(z: Float[np.ndarray, " E"], *, null: Null) -> TwoGroups:
    """Share of absent connections and the width of their z.

    Args:
        z: Absolute weights over their standard errors.
        null: ``empirical``: by maximum likelihood; ``standard_error``: both are 1.
    """
    z = z[z > 0]
    if null == "standard_error" or len(z) < _MIN_PAIRS:
        return TwoGroups(1.0, 1.0)
    edges = np.append(0.0, np.geomspace(0.05, max(float(z.max()), 1.0) * 1.0001, 300))
    counts = np.histogram(z, edges)[0]
    middle = (edges[1:] + edges[:-1]) / 2

    def loss(parameters: Float[np.ndarray, " 3"]) -> float:
        absent, width, scale = expit(parameters[0]), *np.exp(parameters[1:])
        spike = np.exp(-0.5 * (middle / width) ** 2) / (width * np.sqrt(2 * np.pi))
        slab = voigt_profile(middle, width, scale)
        density = absent * spike + (1 - absent) * slab
        return -float((counts * np.log(density + 1e-300)).sum()) / len(z)

    size = np.log(np.median(z) + 1.0)
    bounds = [(-9, 9), (0.0, np.log(_WIDEST)), (-5, size + 9)]
    fits = [
        minimize(loss, (share, np.log(width), size), method="L-BFGS-B", bounds=bounds)
        for share in (-3.0, 3.0)
        for width in (1.1, 3.0)
    ]
    best = min(fits, key=lambda fit: fit.fun).x
    return TwoGroups(float(expit(best[0])), float(np.exp(best[1])))


def found_graph(
    weight: Float[np.ndarray, "N N"],
    standard_error: Float[np.ndarray, "N N"],
    *,
    false_discovery_rate: float,
    groups: TwoGroups,
) -> tuple[Bool[np.ndarray, "N N"], float]:
    """Connections that are there by the false-discovery rule, and the smallest z among them.

    Args:
        weight: Learned effective weights.
        standard_error: Their standard errors; the diagonal is not looked at.
        false_discovery_rate: Expected share of false connections among the found ones.
        groups: What absent connections look like.

    Returns:
        The graph without diagonal, and infinity in place of z where nothing was found.
    """
    z = z_scores(weight, standard_error)
    different = ~np.eye(len(weight), dtype=bool)
    values = np.sort(z[different])[::-1]
    false = groups.absent * len(values) * erfc(values / (groups.width * np.sqrt(2)))
    passed = np.flatnonzero(false <= false_discovery_rate * np.arange(1, len(values) + 1))
    if not len(passed):
        return np.zeros_like(different), float("inf")
    threshold = float(values[passed[-1]])
    return (z >= threshold) & different, threshold


def z_scores(
    weight: Float[np.ndarray, "R N"], standard_error: Float[np.ndarray, "R N"]
) -> Float[np.ndarray, "R N"]:
    """Absolute weights in units of their standard errors; 0 where there is no error."""
    size = np.abs(weight)
    return np.divide(size, standard_error, out=np.zeros_like(size), where=standard_error > 0)
