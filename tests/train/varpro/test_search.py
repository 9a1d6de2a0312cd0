"""The search of the transfer function, on exact targets of a small network."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from neuralgnn.train.varpro import search
from neuralgnn.train.varpro.search import (
    SearchState,
    search_transfer,
    start_coefficients,
)
from neuralgnn.train.varpro.search_data import SearchData
from neuralgnn.train.varpro.splines import SplineBasis

KNOTS = np.linspace(-4.0, 4.0, 9)
N_NEURONS, N_SAMPLES, N_RECEIVERS = 30, 400, 12
GROUPS = torch.tensor([0, 1]).repeat(N_NEURONS // 2)


def make_data(
    *, groups: torch.Tensor | None = None, ridge: float | None = None
) -> tuple[SearchData, torch.Tensor]:
    """Samples that some splines explain exactly, and the coefficients of these."""
    generator = torch.Generator().manual_seed(3)
    basis = SplineBasis(KNOTS)
    # Amplitudes from 1 to .01, as those of the directions of real activity.
    mixing = torch.randn(N_NEURONS, N_NEURONS, generator=generator, dtype=torch.float64)
    mixing *= torch.logspace(0, -2, N_NEURONS, dtype=torch.float64)
    x = torch.randn(N_SAMPLES, N_NEURONS, generator=generator, dtype=torch.float64) @ mixing.T
    x = (1.5 * x / x.std()).clamp(KNOTS[0], KNOTS[-1])
    w = torch.randn(N_RECEIVERS, N_NEURONS, generator=generator, dtype=torch.float64)
    n_groups = 1 if groups is None else 2
    grid = np.linspace(KNOTS[0], KNOTS[-1], 200)
    curves = [basis.project(grid, np.tanh(grid / width)) for width in (0.7, 2.0)[:n_groups]]
    c = torch.as_tensor(np.stack(curves))
    receivers = torch.arange(N_RECEIVERS)

    def data(y: torch.Tensor) -> SearchData:
        return SearchData(
            x,
            y,
            receivers,
            transfer_basis=basis,
            update_basis=basis,
            groups=groups,
            ridge=ridge,
        )

    true = data(x[:, receivers]).sent(c)
    made = data(true @ w.T - x[:, receivers])
    return made, made.normalised(c)


def start(data: SearchData, n_groups: int) -> SearchState:
    guess = start_coefficients(data.basis, shape="saturating", scale=1.0)
    return SearchState(np.repeat(guess[None], n_groups, axis=0))


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_tangent_directions_are_those_that_normalising_leaves_alone(
    groups: torch.Tensor | None,
) -> None:
    data, c = make_data(groups=groups)
    tangent = data.tangent(c)

    assert tangent.shape == (c.numel(), c.numel() - 2 * len(c))
    torch.testing.assert_close(tangent.T @ tangent, torch.eye(tangent.shape[1]).to(tangent))
    for direction in tangent.T:
        stepped = c + 1e-5 * direction.view_as(c)
        torch.testing.assert_close(data.normalised(stepped), stepped, rtol=0, atol=1e-8)


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_steps_are_whole(groups: torch.Tensor | None) -> None:
    """Half of every step would leave a quarter of the loss a step, whatever its number."""
    data, c = make_data(groups=groups, ridge=1e-6)
    losses = []

    found = search_transfer(
        data,
        start(data, len(c)),
        max_iterations=6,
        on_iteration=lambda state: losses.append(state.loss),
    )

    assert min(after / before for before, after in pairwise(losses)) < 0.02
    assert found.loss < 1e-10
    np.testing.assert_allclose(found.coefficients, c.numpy(), atol=1e-3)


def test_a_step_that_gains_nothing_does_not_end_a_search_whose_ridge_still_falls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, _ = make_data()
    step, calls = search._step, []

    def refuses_first(*args: Any) -> Any:
        calls.append(args)
        return None if len(calls) == 1 else step(*args)

    monkeypatch.setattr(search, "_step", refuses_first)
    found = search_transfer(data, start(data, 1), max_iterations=30)

    assert len(calls) > 3
    assert found.loss < 1e-8
