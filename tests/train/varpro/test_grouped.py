"""MLPs that learn the functions of groups: at what was visited, whatever a spline does beyond."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import ModelConfig
from neuralgnn.models import AssemblyGNN, build_model
from neuralgnn.models.mlp import MLP
from neuralgnn.train.varpro import grouped
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

REACH = (1.0, 5.0)  # of the activity of either group


def activity() -> torch.Tensor:
    """Of two groups of ten neurons, with one value far from what else its group visits."""
    draw = torch.Generator().manual_seed(0)
    x = torch.cat([reach * (2 * torch.rand(4000, 10, generator=draw) - 1) for reach in REACH], 1)
    x[7, 3] = 4.8
    return x


def two_groups(generator: torch.Generator) -> tuple[AssemblyGNN, torch.Tensor, torch.Tensor]:
    """A model with a latent vector for each group, these and the neurons' groups."""
    groups = torch.arange(2).repeat_interleave(10)
    places = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    model = build_model(
        ModelConfig.model_validate({"transfer_input": "sender", "activation": "silu"}),
        n_neurons=20,
        activity_scale=2.0,
        generator=generator,
    )
    with torch.no_grad():
        model.embedding.copy_(places[groups])
    return model, places, groups


def wild_beyond(
    basis: SplineBasis, function: Callable[[np.ndarray], np.ndarray], *, edge: float
) -> np.ndarray:
    """Coefficients of a spline that is a function up to an edge on either side."""
    grid = np.linspace(basis.knots[0], basis.knots[-1], 2001)
    wild = function(grid) - 100 * np.maximum(np.abs(grid) - edge, 0)
    return basis.project(grid, wild)


def distances(
    mlp: MLP, places: torch.Tensor, basis: SplineBasis, functions: np.ndarray
) -> np.ndarray:
    """How far an MLP is off each function where the group's neurons are."""
    off = []
    for reach, place, function in zip(REACH, places, functions, strict=True):
        at = torch.linspace(-reach, reach, 101)[:, None]
        with torch.no_grad():
            value = mlp(torch.cat([at / 2.0, place.expand(101, 2)], dim=1)).numpy()
        off.append(np.abs(value - basis.curve(function, at[:, 0].numpy())).max())
    return np.array(off)


def learned(generator: torch.Generator) -> tuple[MLP, float, np.ndarray]:
    """The MLP of two groups' transfer functions, of which one is wild where its neurons are once
    or never; its error, and how far it is off each function where the neurons are.
    """
    model, places, groups = two_groups(generator)
    basis, x = SplineBasis(np.linspace(-5, 5, 30)), activity()
    narrow = wild_beyond(basis, lambda x: np.tanh(2 * x), edge=3)
    wide = wild_beyond(basis, lambda x: np.tanh(x / 2), edge=5)
    functions = np.stack([narrow, wide])
    transfer = TransferSplines(basis.knots, functions[None], groups, 1e-10)
    assert isinstance(model.transfer, MLP)
    error = grouped._distil_sender(
        model, model.transfer, transfer, functions, Samples(x, x), generator
    )
    return model.transfer, error, distances(model.transfer, places, basis, functions)


def test_an_update_function_goes_on_as_a_line_where_hardly_a_neuron_was() -> None:
    generator = torch.Generator().manual_seed(1)
    model, places, groups = two_groups(generator)
    basis, x = SplineBasis(np.linspace(-5, 5, 14)), activity()
    functions = np.stack(
        [
            wild_beyond(basis, lambda x: np.tanh(x) - 2 * x, edge=3),
            wild_beyond(basis, lambda x: np.tanh(x) - x, edge=5),
        ]
    )

    error = grouped._distil_update(
        model, basis, torch.as_tensor(functions), Samples(x, x), groups, generator
    )

    assert error < 5e-3
    assert distances(model.update, places, basis, functions).max() < 0.02
    with torch.no_grad():
        inner, outer = model.update(torch.tensor([[0.45, -1.0, 0.0], [2.25, -1.0, 0.0]]))
    slope = basis.slope(functions[0], np.ones(1))[0]
    assert float(outer - inner) == pytest.approx(3.6 * slope, rel=0.1)


def test_what_a_spline_does_where_hardly_a_sender_was_is_not_learned() -> None:
    _, error, off = learned(torch.Generator().manual_seed(1))

    assert error < 5e-3 and off.max() < 0.02


def test_an_mlp_that_bends_between_the_points_that_it_learns_starts_again(monkeypatch) -> None:
    bends = iter([0.1, 2e-3])
    monkeypatch.setattr(grouped, "relative_error", lambda *_: next(bends))

    _, error, _ = learned(torch.Generator().manual_seed(1))

    assert error == 2e-3 and next(bends, None) is None


def test_an_mlp_that_ends_far_away_starts_again_from_drawn_weights(monkeypatch) -> None:
    ends = iter([0.3, 0.2, 0.4, 1e-3])
    begun: list[torch.Tensor] = []

    def fit(mlp: MLP, *samples: torch.Tensor) -> float:
        first = mlp.layers[0]
        assert isinstance(first, torch.nn.Linear)
        begun.append(first.weight.detach().clone())
        return next(ends)

    monkeypatch.setattr(grouped, "fit_mlp", fit)
    monkeypatch.setattr(grouped, "relative_error", lambda *_: 0.0)
    mlp, error, _ = learned(torch.Generator().manual_seed(1))

    assert error == 1e-3 and len(begun) == 4
    assert len({float(weight.sum()) for weight in begun}) == 4
    assert isinstance(mlp.layers[0], torch.nn.Linear)
    assert torch.equal(mlp.layers[0].weight, begun[3])
