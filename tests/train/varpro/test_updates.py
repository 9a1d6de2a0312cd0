import numpy as np
import pytest
import torch

from neuralgnn.train.varpro import updates
from neuralgnn.train.varpro.pieces import Pieces, tiles
from neuralgnn.train.varpro.rows import GramFactor
from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots


def test_curves_in_the_space_of_some_neurons_equal_those_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(1500, 60, dtype=torch.float64, generator=generator)
    weight = torch.randn(60, 60, dtype=torch.float64, generator=generator).fill_diagonal_(0)
    decay = torch.tensor([1.0, 1.0, 2.0, 2.0]).repeat(15)
    coupling = torch.tensor([1.0, 2.0]).repeat(30)
    y = -decay * x + coupling * x.tanh() + x.tanh() @ weight.T
    basis = SplineBasis(quantile_knots(x.numpy().ravel(), 12))
    factor = GramFactor.of(x.tanh(), ridge=1e-12)

    pieces = Pieces(lambda frames: (x[frames], y[frames]), np.arange(1500), n_neurons=60)

    def curves() -> torch.Tensor:
        space = updates.spanning_space(pieces, factor, torch.tanh, basis)
        everyone = tiles(torch.arange(60))
        equations = updates.update_equations(pieces, everyone, factor, torch.tanh, space)
        return updates.latent_curves(space, *equations, n_latent=2).coefficients()

    direct = curves()
    monkeypatch.setattr(updates, "_MOST_DIRECT", 50)
    monkeypatch.setattr(updates, "_N_SPANNING", 20)
    spanned = curves()

    difference = (basis.curve((spanned - direct).numpy().T, x[:200, 0].numpy()) ** 2).mean()
    size = (basis.curve(direct.numpy().T, x[:200, 0].numpy()) ** 2).mean()
    assert difference < 1e-6 * size
