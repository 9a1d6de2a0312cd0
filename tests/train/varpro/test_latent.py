import torch

from neuralgnn.train.varpro.latent import fit_latent_curves


def _low_rank(n: int, k: int, generator: torch.Generator) -> torch.Tensor:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    return draw(k) + draw(n, 2) @ draw(2, k)


def test_curves_of_rank_two_are_recovered_exactly_despite_unequal_information() -> None:
    generator = torch.Generator().manual_seed(0)
    true = _low_rank(60, 7, generator)
    information = torch.diag_embed(
        torch.rand(60, 7, dtype=torch.float64, generator=generator) + 0.1
    )

    curves = fit_latent_curves(true, information, n_latent=2)

    torch.testing.assert_close(curves.coefficients(), true, atol=1e-6, rtol=1e-6)


def test_what_a_neuron_never_visits_is_filled_in_by_the_others() -> None:
    generator = torch.Generator().manual_seed(1)
    true = _low_rank(60, 7, generator)
    weight = torch.ones(60, 7, dtype=torch.float64)
    weight[::3, 5:] = 0
    seen = torch.where(weight > 0, true, torch.full_like(true, 1e3))

    curves = fit_latent_curves(seen, torch.diag_embed(weight), n_latent=2, n_iterations=300)

    torch.testing.assert_close(curves.coefficients(), true, atol=1e-3, rtol=1e-3)


def test_latent_vectors_are_standardised() -> None:
    generator = torch.Generator().manual_seed(2)
    true = _low_rank(200, 7, generator)
    information = torch.eye(7, dtype=torch.float64).expand(200, 7, 7)

    latent = fit_latent_curves(true, information, n_latent=2).latent

    torch.testing.assert_close(
        latent.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-8, rtol=0
    )
    covariance = latent.T @ latent / 200
    torch.testing.assert_close(covariance, torch.eye(2, dtype=torch.float64), atol=1e-6, rtol=0)
