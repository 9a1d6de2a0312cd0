"""A sparse W from a dense solve, on a network whose functions are known."""

import pytest
import torch

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.prune import prune_weights
from neuralgnn.train.varpro.solve import solve_model_weights

N_NEURONS, N_SAMPLES = 40, 3000


@pytest.fixture(scope="module")
def network() -> tuple[AssemblyGNN, torch.Tensor, Samples]:
    """A model of a network with 15 % of the connections, its true W, and noisy rates."""
    generator = torch.Generator().manual_seed(3)
    model = AssemblyGNN(N_NEURONS, hidden=8, activation="silu", generator=generator)
    true = torch.randn(N_NEURONS, N_NEURONS, generator=generator)
    true += torch.sign(true)  # none that the noise hides
    true *= torch.rand(true.shape, generator=generator) < 0.15
    true.fill_diagonal_(0)
    mixed = torch.randn(N_NEURONS, N_NEURONS, generator=generator)
    x = torch.randn(N_SAMPLES, N_NEURONS, generator=generator) @ (torch.eye(N_NEURONS) + mixed / 9)
    with torch.no_grad():
        sent = model.sent(x)
        rate = model.self_update(x) + sent @ true.T
        rate += 2 * float(sent.std()) * torch.randn(rate.shape, generator=generator)
    return model, true, Samples(x, rate)


def test_exactly_the_true_connections_keep_a_weight_and_lose_their_error(
    network: tuple[AssemblyGNN, torch.Tensor, Samples],
) -> None:
    model, true, samples = network
    solve_model_weights(model, samples, ridge=1e-2)  # one that biases
    dense = model.weight.detach().clone()
    share = prune_weights(
        model, samples, ridge=1e-2, false_discovery_rate=0.001, null="standard_error"
    )

    kept = model.weight.detach() != 0
    assert (dense != 0).sum() == N_NEURONS * (N_NEURONS - 1)
    assert (kept & (true == 0)).sum() <= 1
    assert (~kept & (true != 0)).sum() == 0
    assert share == pytest.approx(kept.sum().item() / (N_NEURONS * (N_NEURONS - 1)))
    for i in (0, N_NEURONS - 1):
        senders = kept[i].nonzero()[:, 0]
        with torch.no_grad():
            sent = model.sent(samples.x).double()[:, senders]
            target = (samples.y - model.self_update(samples.x)).double()[:, i, None]
        expected = torch.linalg.lstsq(sent, target).solution[:, 0]
        torch.testing.assert_close(model.weight[i, senders].double(), expected, rtol=1e-4, atol=0)
    before, after = ((w - true).square().sum() for w in (dense, model.weight.detach()))
    assert after < 0.4 * before
