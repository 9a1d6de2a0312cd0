r"""Spectra of true and learned connectivity. Axes: K eigenvalues or singular vectors.

How far singular vectors of the two agree is the largest absolute inner product of each true one
with any learned one. Of K random directions in N dimensions the best reaches about
:math:`\sqrt{2 \ln K / N}`: that is chance, not the published 1/√K.
"""

__all__ = ["spectra_dataset"]

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import xarray as xr
from jaxtyping import Complex
from sklearn.utils.extmath import randomized_svd

from neuralgnn.analyse.labels import about

_EIGENVALUES = 100
_VECTORS = 100
_SEED = 42


def spectra_dataset(true: scipy.sparse.csr_array, learned: scipy.sparse.csr_array) -> xr.Dataset:
    """Eigenvalues, singular values and alignment of singular vectors, as stored.

    Args:
        true: W, rows receiving.
        learned: The same of the model.
    """
    n_neurons, _ = _size(true)
    n_vectors = min(_VECTORS, n_neurons - 1)
    variables = {}
    vectors = {}
    for name, matrix in {"true": true, "learned": learned}.items():
        values = _eigenvalues(matrix)
        for part in ("real", "imag"):
            title = f"{part} part of {name} eigenvalues"
            variables[f"{name}_eigenvalue_{part}"] = (
                "eigenvalue",
                getattr(values, part),
                about(title, "1"),
            )
        left, singular, right = randomized_svd(
            matrix,
            n_vectors,
            n_iter=6,  # pyright: ignore[reportArgumentType]
            random_state=_SEED,
            flip_sign=False,
        )
        variables[f"{name}_singular_value"] = (
            "component",
            singular,
            about(f"{name} singular value", "1"),
        )
        vectors[name] = {"left": left, "right": right.T}
    for side in ("left", "right"):
        product = np.abs(vectors["true"][side].T @ vectors["learned"][side])
        title = f"overlap of {side} singular vectors"
        variables[f"{side}_overlap"] = (
            ("true_component", "component"),
            product,
            about(title, "1"),
        )
        variables[f"{side}_alignment"] = (
            "true_component",
            product.max(1),
            about(f"best overlap of {side} vectors", "1"),
        )
    chance = float(np.sqrt(2 * np.log(max(n_vectors, 2)) / n_neurons))
    return xr.Dataset(variables, attrs={"chance_alignment": chance})


def _eigenvalues(matrix: scipy.sparse.csr_array) -> Complex[np.ndarray, " K"]:
    """Of largest magnitude, in falling order."""
    n_neurons, _ = _size(matrix)
    count = min(_EIGENVALUES, n_neurons - 2)
    start = np.random.default_rng(_SEED).standard_normal(n_neurons)
    values = scipy.sparse.linalg.eigs(
        matrix.astype(np.float64), k=count, v0=start, return_eigenvectors=False
    )
    return values[np.argsort(-np.abs(values), kind="stable")]


def _size(matrix: scipy.sparse.csr_array) -> tuple[int, int]:
    assert matrix.shape is not None
    return matrix.shape
