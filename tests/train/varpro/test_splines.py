import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots, refined_knots

KNOTS = np.array([-3.0, -1.0, -0.2, 0.5, 2.0])


def test_basis_equals_scipys() -> None:
    basis = SplineBasis(KNOTS)
    x = np.linspace(-3, 2, 101)
    expected = BSpline.design_matrix(x, basis.padded, 3).toarray().T

    np.testing.assert_allclose(basis(torch.from_numpy(x)).numpy(), expected, atol=1e-14)


def test_basis_sums_to_one_and_is_constant_outside_the_knots() -> None:
    values = SplineBasis(KNOTS)(torch.tensor([-10.0, -3.0, 0.3, 2.0, 5.0], dtype=torch.float64))

    torch.testing.assert_close(values.sum(0), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(values[:, 0], values[:, 1])
    torch.testing.assert_close(values[:, 4], values[:, 3])


def test_projection_of_a_cubic_is_exact() -> None:
    basis = SplineBasis(KNOTS)
    x = np.linspace(-3, 2, 400)
    cubic = 1 - 2 * x + 0.3 * x**2 + 0.7 * x**3

    np.testing.assert_allclose(basis.curve(basis.project(x, cubic), x), cubic, atol=1e-10)


def test_slopes_of_a_cubic_are_exact_at_the_ends_too_and_stay_what_they_are_beyond() -> None:
    basis = SplineBasis(KNOTS)
    x = np.linspace(-3, 2, 400)
    c = basis.project(x, 1 - 2 * x + 0.3 * x**2 + 0.7 * x**3)

    np.testing.assert_allclose(basis.slope(c, x), -2 + 0.6 * x + 2.1 * x**2, atol=1e-9)
    np.testing.assert_array_equal(basis.slope(c, np.array([-9.0, 7])), basis.slope(c, x[[0, -1]]))


def test_quantile_knots_hold_equal_shares_of_the_sample() -> None:
    sample = np.random.default_rng(0).normal(size=100_000)
    knots = quantile_knots(sample, 12)

    shares = np.histogram(sample, knots)[0] / len(sample)
    np.testing.assert_allclose(shares, 1 / 9, atol=1e-4)


def test_knots_of_a_sample_with_ties_still_increase() -> None:
    knots = quantile_knots(np.repeat([0.0, 1.0, 5.0], 1000), 14)

    assert (np.diff(knots) > 0).all()
    assert (knots[0], knots[-1]) == (0, 5)


def test_refined_knots_gather_where_the_function_bends() -> None:
    sample = np.random.default_rng(0).uniform(-20, 20, size=200_000)
    basis = SplineBasis(np.linspace(-20, 20, 41))
    grid = np.linspace(-20, 20, 4001)
    knots = refined_knots(basis, basis.project(grid, np.tanh(grid)), sample, 32)

    near = np.diff(knots)[np.abs((knots[1:] + knots[:-1]) / 2) < 2].max()
    far = np.diff(knots)[np.abs((knots[1:] + knots[:-1]) / 2) > 10].min()
    assert near < far / 2


def test_knots_that_do_not_increase_are_refused() -> None:
    with pytest.raises(ValueError, match="increase strictly"):
        SplineBasis(np.array([0.0, 1.0, 1.0]))


def test_refined_knots_follow_a_step_that_is_a_hundredth_of_the_range() -> None:
    """And stay there: once lost, as when knots were kept a thousandth apart, it is not found."""
    sample = 45 * np.random.default_rng(0).standard_normal(200_000)
    basis, errors = SplineBasis(quantile_knots(sample, 14)), []
    near = np.linspace(-3, 3, 601)
    for n_coefficients in (32, 48, 64, 64):
        c = basis.project(sample[:20_000], np.tanh(sample[:20_000]))
        basis = SplineBasis(refined_knots(basis, c, sample, n_coefficients))
        c = basis.project(sample[:20_000], np.tanh(sample[:20_000]))
        errors.append(np.abs(basis.curve(c, near) - np.tanh(near)).max())

    assert errors[-1] < 1e-3 and errors[-2] < 1e-3 < errors[0]
