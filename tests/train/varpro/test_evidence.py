import pytest
import torch

from neuralgnn.train.varpro.evidence import LARGEST, SMALLEST, evidence_ridge, raised_ridge
from neuralgnn.train.varpro.rows import GramFactor


def settled_ridge(*, noise: float, spread: float, n_samples: int = 400) -> float:
    """The ridge that the evidence settles at, for rows drawn as it assumes."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    sent, weight = draw(n_samples, 60), spread * draw(60, 40)
    target = sent @ weight + noise * draw(n_samples, 40)
    ridge = 1e-2
    for _ in range(30):
        factor = GramFactor.of(sent, ridge=ridge)
        found = factor.solve(sent.T @ target)
        ridge = evidence_ridge(
            factor,
            n_samples=n_samples,
            n_receivers=40,
            squared_residuals=float((target - sent @ found).square().sum()),
            squared_weights=float(found.square().sum()),
        )
    return ridge * factor.mean_square


@pytest.mark.parametrize(("noise", "spread"), [(1.0, 0.1), (3.0, 0.5), (0.1, 2.0)])
def test_ridge_settles_at_the_ratio_of_the_variances(noise: float, spread: float) -> None:
    assert settled_ridge(noise=noise, spread=spread) == pytest.approx(
        (noise / spread) ** 2, rel=0.1
    )


def test_without_noise_the_ridge_falls_to_the_limit_of_rounding() -> None:
    assert settled_ridge(noise=0.0, spread=1.0) <= 1e3 * SMALLEST * 400


@pytest.mark.parametrize("spread", [0.1, 0.02, 0.0])
def test_a_ridge_far_above_the_unit_is_reached_in_few_solves(spread: float) -> None:
    """Weights of a tenth of their standard error, and ones that cannot be told from none."""
    generator = torch.Generator().manual_seed(1)
    sent = torch.randn(400, 60, dtype=torch.float64, generator=generator)
    weight = spread * torch.randn(60, 400, dtype=torch.float64, generator=generator)
    noise = torch.randn(400, 400, dtype=torch.float64, generator=generator) * 400**0.5
    target = sent @ weight + noise
    n_solves = 0

    def solved(ridge: float) -> GramFactor:
        nonlocal n_solves
        n_solves += 1
        return GramFactor.of(sent, ridge=ridge)

    def wanted(factor: GramFactor) -> float:
        found = factor.solve(sent.T @ target)
        return evidence_ridge(
            factor,
            n_samples=400,
            n_receivers=400,
            squared_residuals=float((target - sent @ found).square().sum()),
            squared_weights=float(found.square().sum()),
        )

    ridge, factor = raised_ridge(1e-3, solved(1e-3), wanted=wanted, solved=solved)

    assert n_solves <= 13
    if spread == 0.1:
        assert ridge == pytest.approx(1 / spread**2, rel=0.5)
    else:
        assert ridge > 300
    found = factor.solve(sent.T @ target)
    free = solved(SMALLEST).solve(sent.T @ target)
    error, without = ((each - weight).square().sum() for each in (found, free))
    assert error < 0.2 * without
    assert ridge <= LARGEST


def test_a_ridge_that_is_large_enough_stays() -> None:
    stays = raised_ridge(2.0, "solution", wanted=lambda solution: 1.0, solved=lambda ridge: "")
    assert stays == (2.0, "solution")


def test_trace_and_columns_are_those_of_the_inverse() -> None:
    sent = torch.randn(50, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    factor = GramFactor.of(sent, ridge=0.1)
    gram = sent.T @ sent
    inverse = torch.linalg.inv(gram + 0.1 * gram.diagonal().mean() * torch.eye(8))

    torch.testing.assert_close(factor.inverse, inverse)
    torch.testing.assert_close(factor.inverse_columns(torch.tensor([5, 2])), inverse[:, [5, 2]])
    assert factor.inverse_trace == pytest.approx(float(inverse.trace()))
