r"""Spectra of learned and true connectivity. Axes: N neurons, K values, L leading pairs, P = 2.

Both matrices are effective weights in the canonical gauge: eigenvalues change when the columns
of W are rescaled, so only one gauge lets them be compared. Reported are

* eigenvalues :math:`\lambda_k`, by falling :math:`|\lambda|`; :math:`|\lambda_1|` is the
  *spectral radius*;
* singular values :math:`\sigma_k`, largest first, and their R² (1 - SSE / SST);
* the *alignment* :math:`|\langle v_k, \hat v_k \rangle|` of true and learned unit vectors, 1 if
  they span the same line: left and right singular vectors are paired by rank, left and right
  eigenvectors by the assignment of eigenvalues with the smallest total distance (Kuhn 1955), some
  more than are reported taking part: which of two equally large ones comes last is chance.
  Pairs are made by values alone, never by overlap, so that for vectors without relation the
  expectation is that of two independent directions:

  .. math::
      E |\langle u, v \rangle| = \frac{\Gamma(n/2)}{\sqrt\pi\, \Gamma((n+1)/2)}, \qquad
      E |\langle u, v \rangle|_{\mathbb C} = \frac{\Gamma(3/2)\, \Gamma(n)}{\Gamma(n + 1/2)} ;

* the *subspace overlap* :math:`\| U_k^\top \hat U_k \|_F^2 / k` of the leading k left singular
  vectors, which does not mind two close singular values that changed places; its expectation
  for independent subspaces is k / N.

Up to ``max_dense`` neurons all values come from LAPACK. Larger matrices have their leading ones
only, from Lanczos and Arnoldi iterations (ARPACK) with a seeded start: a few hundred products
with W in single precision instead of a cost of N³.
"""

__all__ = ["Spectrum", "chance_alignment", "compare_spectra", "spectrum", "spectrum_dataset"]

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import xarray as xr
from jaxtyping import Complex, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

from neuralgnn.analyse.labels import about

_log = logging.getLogger(__name__)

# What these return depends on their arguments, which their types do not say.
_eig: Any = scipy.linalg.eig
_eigs: Any = scipy.sparse.linalg.eigs
_svds: Any = scipy.sparse.linalg.svds

_SCORED = 10  # leading pairs whose mean alignment is a metric
_SPARE = 10  # eigenvalues behind the leading ones that may be partners
_MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Spectrum:
    """Values and leading vectors of one matrix.

    Attributes:
        eigenvalues: By falling absolute value; the leading ones where N is large.
        n_leading: Number of leading pairs that were asked for; some more have eigenvectors.
        eigen_left: Unit left eigenvectors of the leading eigenvalues, in columns.
        eigen_right: Unit right eigenvectors of the same.
        singular_values: Largest first; the leading ones where N is large.
        singular_left: Leading left singular vectors, in columns.
        singular_right: Leading right singular vectors, in columns.
    """

    eigenvalues: Complex[np.ndarray, " K"]
    n_leading: int
    eigen_left: Complex[np.ndarray, "N L"]
    eigen_right: Complex[np.ndarray, "N L"]
    singular_values: Float[np.ndarray, " M"]
    singular_left: Float[np.ndarray, "N J"]
    singular_right: Float[np.ndarray, "N J"]

    @property
    def radius(self) -> float:
        """Largest absolute eigenvalue."""
        return float(np.abs(self.eigenvalues).max(initial=0.0))


def spectrum(
    weight: Float[np.ndarray, "N N"], *, n_leading: int, max_dense: int, seed: int
) -> Spectrum:
    """Eigenvalues, singular values and their leading vectors.

    Args:
        weight: Effective weights.
        n_leading: Leading vectors to keep, and some more eigenvectors; of larger matrices also the
            number of values.
        max_dense: Largest N for which all values are computed.
        seed: Seed of the iterations' start.

    Raises:
        ValueError: If the weights are not a finite square.
    """
    n = len(weight)
    if weight.shape != (n, n) or not n or not np.isfinite(weight).all():
        raise ValueError(
            f"weights have shape {weight.shape} and {np.count_nonzero(~np.isfinite(weight))} "
            "values that are not finite; expected a finite square. Did the fit diverge?"
        )
    # The iterations need room beside what is asked for.
    if n <= max_dense or n < 3 * (n_leading + _SPARE):
        return _dense(weight.astype(np.float64), n_leading)
    return _leading(weight.astype(np.float32), n_leading, seed=seed)


def chance_alignment(n: int, *, is_complex: bool) -> float:
    """Expected absolute cosine of two independent uniform directions in n dimensions."""
    if is_complex:
        return float(np.exp(gammaln(1.5) + gammaln(n) - gammaln(n + 0.5)))
    return float(np.exp(gammaln(n / 2) - gammaln((n + 1) / 2)) / np.sqrt(np.pi))


def compare_spectra(learned: Spectrum, true: Spectrum) -> dict[str, float]:
    """Scores of the learned spectrum; a number that does not exist is NaN.

    ``spectral_radius_error`` is relative; ``eigenvalue_error`` is the mean distance of the ten
    leading true eigenvalues from their partners over the mean absolute value of the former.
    """
    n_values = min(len(learned.singular_values), len(true.singular_values))
    values = true.singular_values[:n_values]
    lost = ((learned.singular_values[:n_values] - values) ** 2).sum()
    total = ((values - values.mean()) ** 2).sum()
    partner = _partners(learned, true)[:_SCORED]
    leading = true.eigenvalues[: len(partner)]
    distance = np.abs(learned.eigenvalues[partner] - leading)
    aligned = _alignments(learned, true)
    singular = [aligned["singular_left"][:_SCORED], aligned["singular_right"][:_SCORED]]
    eigen = [aligned["eigen_left"][:_SCORED], aligned["eigen_right"][:_SCORED]]
    return {
        "spectral_radius_true": true.radius,
        "spectral_radius_error": _ratio(abs(learned.radius - true.radius), true.radius),
        "eigenvalue_error": _ratio(distance.sum(), np.abs(leading).sum()),
        "singular_value_r2": 1 - _ratio(lost, total),
        "singular_vector_alignment": float(np.mean(singular)),
        "eigenvector_alignment": float(np.mean(eigen)),
    }


def spectrum_dataset(learned: Spectrum, true: Spectrum | None, *, time_unit: str) -> xr.Dataset:
    """Spectra as stored in ``spectrum.zarr``; scores are attributes where truth is known.

    Args:
        learned: Of the learned weights.
        true: Of the true weights in the same gauge.
        time_unit: The recording's unit of time.
    """
    n_neurons = len(learned.singular_left)
    variables = _values(learned, "learned", time_unit)
    attrs: dict[str, float | int] = {
        "n_neurons": n_neurons,
        "spectral_radius": learned.radius,
        "chance_real": chance_alignment(n_neurons, is_complex=False),
        "chance_complex": chance_alignment(n_neurons, is_complex=True),
    }
    if true is not None:
        variables |= _values(true, "true", time_unit)
        aligned = _alignments(learned, true)
        for name, values in aligned.items():
            kind, side = name.split("_")
            title = f"alignment of {side} {kind.replace('eigen', 'eigen-')} vectors"
            dim = "pair" if kind == "eigen" else "rank"
            variables[f"{name}_alignment"] = (dim, values, about(title.replace("- ", ""), "1"))
        chance = [
            chance_alignment(n_neurons, is_complex=bool(abs(value.imag) > 0))
            for value in true.eigenvalues[: len(aligned["eigen_left"])]
        ]
        variables["eigen_chance"] = ("pair", np.array(chance), about("chance alignment", "1"))
        variables["subspace_overlap"] = (
            "rank",
            _overlap(learned.singular_left, true.singular_left),
            about("overlap of the leading left singular subspaces", "1"),
        )
        attrs |= compare_spectra(learned, true)
    return xr.Dataset(variables, coords={"part": ["real", "imaginary"]}, attrs=attrs)


def _dense(weight: Float[np.ndarray, "N N"], n_leading: int) -> Spectrum:
    values, left, right = _eig(weight, left=True, right=True)
    order = _falling(values)
    leading = order[: n_leading + _SPARE]
    u, singular, vt = scipy.linalg.svd(weight)
    return Spectrum(
        values[order].astype(np.complex128),
        min(n_leading, len(order)),
        left[:, leading].astype(np.complex128),
        right[:, leading].astype(np.complex128),
        singular,
        u[:, :n_leading],
        vt[:n_leading].T,
    )


def _leading(weight: Float[np.ndarray, "N N"], n_leading: int, *, seed: int) -> Spectrum:
    start = np.random.default_rng(seed).standard_normal(len(weight)).astype(np.float32)
    u, singular, vt = _svds(weight, k=n_leading, v0=start, tol=1e-5)
    order = singular.argsort()[::-1]
    values, right = _arnoldi(weight, n_leading + _SPARE, start)
    _, left = _arnoldi(weight.T, n_leading + _SPARE, start)
    n_kept = min(right.shape[1], left.shape[1])
    return Spectrum(
        values.astype(np.complex128),
        min(n_leading, n_kept),
        # W^T y = lambda y means y^T W = lambda y^T; a left eigenvector is the conjugate of y.
        left[:, :n_kept].conj().astype(np.complex128),
        right[:, :n_kept].astype(np.complex128),
        singular[order].astype(np.float64),
        u[:, order].astype(np.float64),
        vt[order].T.astype(np.float64),
    )


def _arnoldi(
    matrix: Float[np.ndarray, "N N"], n_leading: int, start: Float[np.ndarray, " N"]
) -> tuple[np.ndarray, np.ndarray]:
    """Leading eigenvalues and right eigenvectors; those that converged, where not all did."""
    try:
        values, vectors = _eigs(matrix, k=n_leading, v0=start, tol=1e-5, maxiter=_MAX_ITERATIONS)
    except scipy.sparse.linalg.ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        _log.warning("%d of %d leading eigenvalues converged", len(values), n_leading)
    order = _falling(values)
    return values[order], vectors[:, order]


def _falling(values: Complex[np.ndarray, " K"]) -> Int[np.ndarray, " K"]:
    """Order by falling absolute value; of a conjugate pair the one with positive imaginary."""
    size = np.abs(values)
    unit = size.max(initial=0.0) * 1e-12 or 1.0  # pairs are equal up to rounding
    return np.lexsort((-np.imag(values), -np.round(size / unit)))


def _partners(learned: Spectrum, true: Spectrum) -> Int[np.ndarray, " L"]:
    """For each leading true eigenvalue its learned one, by the smallest total distance."""
    n_all = min(true.eigen_left.shape[1], learned.eigen_left.shape[1])
    distance = np.abs(true.eigenvalues[:n_all, None] - learned.eigenvalues[None, :n_all])
    return linear_sum_assignment(distance)[1][: min(true.n_leading, learned.n_leading)]


def _alignments(learned: Spectrum, true: Spectrum) -> dict[str, Float[np.ndarray, " L"]]:
    """Absolute cosine of paired vectors."""
    partner = _partners(learned, true)
    found = {
        "eigen_left": (true.eigen_left[:, : len(partner)], learned.eigen_left[:, partner]),
        "eigen_right": (true.eigen_right[:, : len(partner)], learned.eigen_right[:, partner]),
        "singular_left": (true.singular_left, learned.singular_left),
        "singular_right": (true.singular_right, learned.singular_right),
    }
    return {
        name: np.minimum(np.abs((first.conj() * second).sum(axis=0)), 1.0)
        for name, (first, second) in found.items()
    }


def _overlap(
    learned: Float[np.ndarray, "N J"], true: Float[np.ndarray, "N J"]
) -> Float[np.ndarray, " J"]:
    """Share of the span of the first k vectors that both have in common, for every k."""
    square = (true.T @ learned) ** 2
    nested = square.cumsum(axis=0).cumsum(axis=1)
    return np.diagonal(nested) / np.arange(1, len(square) + 1)


def _values(found: Spectrum, word: str, time_unit: str) -> dict[str, tuple]:
    parts = np.stack([np.real(found.eigenvalues), np.imag(found.eigenvalues)], axis=1)
    unit = f"1/{time_unit}"
    # Dimensions of their own: of large matrices some eigenvalues may not have converged.
    return {
        f"{word}_eigenvalue": (
            (f"{word}_eigen", "part"),
            parts,
            about(f"eigenvalue of the {word} weights", unit),
        ),
        f"{word}_singular_value": (
            f"{word}_singular",
            found.singular_values,
            about(f"singular value of the {word} weights", unit),
        ),
    }


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else float("nan")
