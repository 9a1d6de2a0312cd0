"""MLPs that learn the functions of groups: at what was visited, whatever a spline does beyond."""

import numpy as np
import torch

from neuralgnn.config.fit import ModelConfig
from neuralgnn.models import build_model
from neuralgnn.models.mlp import MLP
from neuralgnn.train.varpro import grouped
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

REACH = (1.0, 5.0)  # of the activity of either group


def learned(generator: torch.Generator) -> tuple[MLP, float, np.ndarray]:
    """The MLP of two groups' functions, of which one is wild where its neurons are once or never;
    its error, and how far it is off each function where the neurons are.
    """
    draw = torch.Generator().manual_seed(0)
    x = torch.cat([reach * (2 * torch.rand(4000, 10, generator=draw) - 1) for reach in REACH], 1)
    x[7, 3] = 4.8
    knots = np.linspace(-5, 5, 30)
    basis, grid = SplineBasis(knots), np.linspace(-5, 5, 2001)
    narrow = np.tanh(2 * grid) - 100 * np.maximum(np.abs(grid) - 3, 0)
    functions = np.stack([basis.project(grid, narrow), basis.project(grid, np.tanh(grid / 2))])
    groups = torch.arange(2).repeat_interleave(10)
    model = build_model(
        ModelConfig.model_validate({"transfer_input": "sender", "activation": "silu"}),
        n_neurons=20,
        activity_scale=2.0,
        generator=generator,
    )
    places = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    with torch.no_grad():
        model.embedding.copy_(places[groups])
    transfer = TransferSplines(knots, functions[None], groups, 1e-10)
    assert isinstance(model.transfer, MLP)
    error = grouped._distil_sender(
        model, model.transfer, transfer, functions, Samples(x, x), generator
    )
    off = []
    for reach, place, function in zip(REACH, places, functions, strict=True):
        at = torch.linspace(-reach, reach, 101)[:, None]
        with torch.no_grad():
            sent = model.transfer(torch.cat([at / 2.0, place.expand(101, 2)], dim=1))
        off.append(np.abs(sent.numpy() - basis.curve(function, at[:, 0].numpy())).max())
    return model.transfer, error, np.array(off)


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
