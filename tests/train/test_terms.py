import pytest
import torch

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.terms import Terms, phi_zero, psi_monotonic, weight_l1


@pytest.fixture
def model(generator: torch.Generator) -> AssemblyGNN:
    model = AssemblyGNN(4, hidden=8, activity_scale=2.0, generator=generator)
    with torch.no_grad():
        model.embedding.normal_(generator=generator)
    return model


def test_phi_zero_is_the_norm_over_neurons_once_per_frame(model: AssemblyGNN) -> None:
    zeros = torch.zeros(1, 1)
    rest = [model.update(torch.cat([zeros, a[None]], dim=1))[0] for a in model.embedding]

    assert phi_zero(model, n_frames=3).item() == pytest.approx(3 * torch.stack(rest).norm().item())


def straight_psi(model: AssemblyGNN, slope: float) -> None:
    """Sets psi(x) = slope x, for |x| < 100, by one hidden unit that stays active."""
    first, second, last = model.transfer.layers[::2]
    with torch.no_grad():
        for layer in (first, second, last):
            layer.weight.zero_()
            layer.bias.zero_()
        first.weight[0, 0] = model.activity_scale
        first.bias[0] = 100.0
        second.weight[0, 0] = 1.0
        last.weight[0, 0] = slope


@pytest.mark.parametrize(("slope", "expected"), [(0.5, 0.0), (-0.5, 3 * 2 * 0.5 * 0.1)])
def test_only_a_falling_psi_is_penalised(
    model: AssemblyGNN, slope: float, expected: float
) -> None:
    """Four neurons fall by 0.05 each: norm 0.1 a frame, three frames."""
    straight_psi(model, slope)
    x = torch.tensor([[-3.0, 0.0, 1.0, 5.0]]).expand(3, -1)

    assert psi_monotonic(model, x, step=0.1).item() == pytest.approx(expected, abs=1e-4)


def test_monotonicity_teaches_latent_vectors_nothing(generator: torch.Generator) -> None:
    model = AssemblyGNN(4, transfer_input="sender", generator=generator)

    (psi_monotonic(model, torch.randn(50, 4), step=0.1) + 0 * model.weight.sum()).backward()

    assert model.embedding.grad is None
    assert any(parameter.grad is not None for parameter in model.transfer.parameters())


def test_l1_counts_no_diagonal(model: AssemblyGNN) -> None:
    with torch.no_grad():
        model.weight.fill_(-0.5)

    assert weight_l1(model).item() == pytest.approx(12 * 0.5)


def test_total_is_the_sum_of_fit_and_penalties() -> None:
    one = torch.tensor(1.0)

    assert Terms(fit=one, penalties={"a": 2 * one, "b": 3 * one}).total.item() == 6
    assert Terms(fit=one).total.item() == 1
