"""Spectra that are known in closed form."""

import numpy as np
import pytest
import xarray as xr

from neuralgnn.analyse.spectrum import (
    chance_alignment,
    compare_spectra,
    spectrum,
    spectrum_dataset,
)

ALL = {"n_leading": 6, "max_dense": 1000, "seed": 0}


def rotation(n: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def test_a_matrix_made_of_known_values_has_them_and_its_vectors() -> None:
    left, right = rotation(40, 0), rotation(40, 1)
    singular = np.arange(40, 0, -1.0)
    found = spectrum(left * singular @ right.T, **ALL)
    np.testing.assert_allclose(found.singular_values, singular, rtol=1e-10)
    np.testing.assert_allclose(np.abs((found.singular_left * left[:, :6]).sum(0)), 1, rtol=1e-8)
    np.testing.assert_allclose(np.abs((found.singular_right * right[:, :6]).sum(0)), 1, rtol=1e-8)


def test_a_rotation_has_its_pair_on_the_circle_and_both_kinds_of_eigenvectors() -> None:
    angle, size = 0.7, 3.0
    block = np.zeros((20, 20))
    block[:2, :2] = size * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    block[2, 2], block[0, 5] = -1.0, 4.0  # not normal: left and right eigenvectors differ
    basis = rotation(20)
    weight = basis @ block @ basis.T
    found = spectrum(weight, n_leading=3, max_dense=100, seed=0)
    expected = [size * np.exp(1j * angle), size * np.exp(-1j * angle), -1.0]
    np.testing.assert_allclose(found.eigenvalues[:3], expected, atol=1e-12)
    assert found.radius == pytest.approx(3.0)
    vectors = zip(expected, found.eigen_left.T[:3], found.eigen_right.T[:3], strict=True)
    for value, left, right in vectors:
        np.testing.assert_allclose(weight @ right, value * right, atol=1e-12)
        np.testing.assert_allclose(left.conj() @ weight, value * left.conj(), atol=1e-12)


def test_iterations_give_the_leading_part_of_the_dense_spectrum() -> None:
    rng = np.random.default_rng(0)
    weight = 0.1 * rng.standard_normal((150, 150)) / np.sqrt(150)
    left, right = rotation(150, 2)[:, :8], rotation(150, 3)[:, :8]
    weight += (left * np.arange(16, 0, -2.0)) @ (0.7 * left + 0.3 * right).T
    dense, lean = (spectrum(weight, n_leading=6, max_dense=most, seed=0) for most in (1000, 10))
    assert (len(dense.eigenvalues), len(lean.eigenvalues), len(lean.singular_values)) == (
        150,
        16,  # ten more may be partners
        6,
    )
    np.testing.assert_allclose(lean.singular_values, dense.singular_values[:6], rtol=1e-4)
    np.testing.assert_allclose(np.abs(lean.eigenvalues), np.abs(dense.eigenvalues[:16]), rtol=1e-4)
    scores = compare_spectra(lean, dense)
    assert scores["singular_vector_alignment"] == pytest.approx(1, abs=1e-4)
    assert scores["eigenvector_alignment"] == pytest.approx(1, abs=1e-4)
    again = spectrum(weight, n_leading=6, max_dense=10, seed=0)
    np.testing.assert_array_equal(lean.eigenvalues, again.eigenvalues)


@pytest.mark.parametrize("is_complex", [False, True])
def test_chance_is_the_mean_overlap_of_independent_directions(is_complex: bool) -> None:
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((2, 20_000, 12)) + 1j * is_complex * rng.standard_normal(
        (2, 20_000, 12)
    )
    u, v = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (u, v))
    overlap = np.abs((u.conj() * v).sum(axis=1)).mean()
    assert chance_alignment(12, is_complex=is_complex) == pytest.approx(overlap, rel=0.02)


def test_unrelated_matrices_are_aligned_by_chance_only() -> None:
    rng = np.random.default_rng(1)
    one, other = (
        spectrum(rng.standard_normal((100, 100)), **ALL | {"n_leading": 50}) for _ in "ab"
    )
    dataset = spectrum_dataset(one, other, time_unit="s")
    for side in ("left", "right"):
        mean = float(dataset[f"singular_{side}_alignment"].mean())
        assert mean == pytest.approx(dataset.attrs["chance_real"], rel=0.3)
        mean = float(dataset[f"eigen_{side}_alignment"].mean())
        assert mean == pytest.approx(float(dataset["eigen_chance"].mean()), rel=0.3)
    overlap = dataset["subspace_overlap"].values
    np.testing.assert_allclose(overlap[[9, 24, 49]], [0.1, 0.25, 0.5], atol=0.04)
    assert overlap[0] == pytest.approx(float(dataset["singular_left_alignment"][0]) ** 2)


def test_values_that_changed_places_keep_their_subspace() -> None:
    basis = rotation(30)
    one = spectrum(basis * np.r_[5.0, 4.9, np.ones(28)], n_leading=2, max_dense=99, seed=0)
    other = spectrum(basis * np.r_[4.9, 5.0, np.ones(28)], n_leading=2, max_dense=99, seed=0)
    dataset = spectrum_dataset(one, other, time_unit="s")
    np.testing.assert_allclose(dataset["singular_left_alignment"], 0, atol=1e-9)
    np.testing.assert_allclose(dataset["subspace_overlap"], [0, 1], atol=1e-9)


def test_eigenvalue_that_is_just_not_among_the_leading_ones_is_still_a_partner() -> None:
    basis, rest = rotation(30), np.linspace(1, 0.1, 26)
    learned, true = (
        spectrum(basis * np.r_[4.0, 3.0, third, -1.99, rest] @ basis.T, **ALL | {"n_leading": 3})
        for third in (1.98, 2.0)  # third of the true ones, fourth of the learned ones
    )

    dataset = spectrum_dataset(learned, true, time_unit="s")

    for side in ("left", "right"):
        np.testing.assert_allclose(dataset[f"eigen_{side}_alignment"], 1, rtol=1e-9)


def test_a_doubled_matrix_has_a_doubled_radius_and_the_same_vectors() -> None:
    weight = np.random.default_rng(2).standard_normal((50, 50))
    dataset = spectrum_dataset(spectrum(2 * weight, **ALL), spectrum(weight, **ALL), time_unit="s")
    assert dataset.attrs["spectral_radius_error"] == pytest.approx(1)
    assert dataset.attrs["eigenvalue_error"] == pytest.approx(1)
    assert dataset.attrs["singular_vector_alignment"] == pytest.approx(1)
    assert dataset.attrs["eigenvector_alignment"] == pytest.approx(1)
    assert isinstance(dataset, xr.Dataset)
    assert dataset["learned_eigenvalue"].attrs["units"] == "1/s"


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="1 values that are not finite"):
        spectrum(np.array([[0.0, np.nan], [1.0, 0.0]]), **ALL)
