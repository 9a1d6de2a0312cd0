from typing import Any, Literal

import numpy as np
import pytest
import torch

from neuralgnn.models import MLP
from neuralgnn.train.varpro import distil
from neuralgnn.train.varpro.distil import _output_and_jacobian, covering_rows, fit_mlp, place_kinks


def test_mlp_learns_a_saturating_function_to_a_thousandth() -> None:
    mlp = MLP(1, hidden=32, activation="silu", generator=torch.Generator().manual_seed(0))
    x = torch.linspace(-4, 4, 90, dtype=torch.float64)[:, None]
    y = 50 * torch.tanh(2 * x[:, 0])

    error = fit_mlp(mlp, x, y, torch.ones(90), tolerance=1e-3)

    between = torch.linspace(-4, 4, 1001)[:, None]
    with torch.no_grad():
        found = mlp(between)
    assert error < 1e-3
    assert found.dtype == torch.float32
    assert (found - 50 * torch.tanh(2 * between[:, 0])).abs().max() < 0.5


@pytest.mark.parametrize("activation", ["silu", "tanh"])
def test_a_step_in_a_wide_range_is_learned_from_kinks_that_are_placed(
    activation: Literal["silu", "tanh"],
) -> None:
    """tanh over a hundred units on either side."""
    knots = np.sinh(np.linspace(-5, 5, 41)) * 100 / np.sinh(5)
    x = torch.from_numpy(np.interp(np.linspace(0, 40, 161), np.arange(41), knots))[:, None] / 30
    y = torch.tanh(30 * x[:, 0])
    mlp = MLP(1, activation=activation, generator=torch.Generator().manual_seed(0))

    place_kinks(mlp, knots / 30)
    error = fit_mlp(mlp, x, y, torch.ones(len(x)), max_iterations=40, tolerance=1e-4)

    assert error < 1e-4
    between = torch.linspace(-3, 3, 1001)[:, None]
    with torch.no_grad():
        found = mlp(between / 30)
    assert (found - torch.tanh(between[:, 0])).abs().max() < 3e-3


def test_jacobian_equals_autograd() -> None:
    mlp = MLP(2, hidden=5, activation="tanh", generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    output, jacobian = _output_and_jacobian(mlp.layers, x)

    for row, point in zip(jacobian, x, strict=True):
        gradient = torch.autograd.grad(mlp(point), list(mlp.parameters()))
        torch.testing.assert_close(row, torch.cat([part.flatten() for part in gradient]))
    torch.testing.assert_close(output, mlp(x).detach())


def test_four_tight_clusters_need_four_representatives() -> None:
    centres = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(400, 2))
    rows = torch.from_numpy(np.repeat(centres, 100, axis=0) + noise)

    chosen = covering_rows(rows)

    assert sorted(chosen.tolist()) == sorted(set(chosen.tolist()))
    assert {int(index) // 100 for index in chosen} == {0, 1, 2, 3}
    assert len(chosen) == 4


@pytest.mark.parametrize(("noise", "all_steps"), [(3e-4, False), (0.3, True)])
def test_steps_end_where_what_is_left_is_noise_but_not_far_from_the_function(
    noise: float, all_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    jacobian = distil._output_and_jacobian

    def counted(*args: Any) -> Any:
        steps.append(1)
        return jacobian(*args)

    monkeypatch.setattr(distil, "_output_and_jacobian", counted)
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-3, 3, 400, dtype=torch.float64)[:, None]
    values = torch.tanh(x[:, 0]) + noise * torch.randn(400, generator=generator).double()
    mlp = MLP(1, hidden=16, activation="silu", generator=generator)
    fit_mlp(mlp, x, values, torch.ones(400), max_iterations=300, tolerance=0.0)

    assert len(steps) == 300 if all_steps else len(steps) < 60
