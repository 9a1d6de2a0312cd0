"""Update functions of neurons that receive with the functions of their group, or of another."""

import numpy as np
import pytest
import torch

from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.solve import solve_updates, unexplained_by_group
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

KNOTS = np.linspace(-3, 3, 6)
GROUPS = torch.tensor([0, 1, 0, 1, 1])


@pytest.fixture
def samples() -> Samples:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 5, dtype=torch.float64, generator=generator).clamp(-2.9, 2.9)
    return Samples(x, torch.randn(300, 5, dtype=torch.float64, generator=generator))


@pytest.fixture
def transfer() -> TransferSplines:
    size = SplineBasis(KNOTS).size
    coefficients = np.random.default_rng(1).normal(size=(2, 2, size))
    return TransferSplines(KNOTS, coefficients, GROUPS, ridge=0.0)


def left_of(samples: Samples, transfer: TransferSplines, neuron: int, receiving: int) -> float:
    """Mean square that plain least squares leaves."""
    own = transfer.basis(samples.x[:, neuron]).T.numpy()
    others = np.delete(transfer.sent(samples.x, receiving=receiving).numpy(), neuron, axis=1)
    design, target = np.hstack([others, own]), samples.y[:, neuron].numpy()
    found = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(np.mean((target - design @ found) ** 2))


def test_what_is_left_of_targets_equals_plain_least_squares(samples, transfer) -> None:
    found = solve_updates(samples, transfer, transfer.basis).unexplained
    expected = [left_of(samples, transfer, i, int(GROUPS[i])) for i in range(5)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_what_the_functions_of_every_group_leave_equals_plain_least_squares(
    samples, transfer
) -> None:
    some = torch.tensor([3, 0])
    found = unexplained_by_group(samples, transfer, transfer.basis, some)
    expected = [[left_of(samples, transfer, i, r) for i in some.tolist()] for r in range(2)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    assert abs(expected[0][0] / expected[1][0] - 1) > 1e-3  # groups differ
