import numpy as np
import pytest
import torch

from neuralgnn.models import AssemblyGNN
from neuralgnn.train.clusters import join_alike

GRID = torch.linspace(-3, 3, 100)
TYPES = np.tile([0, 1, 2], 10)


def two_step_model() -> AssemblyGNN:
    """Thirty neurons around three latent vectors that give three update functions."""
    generator = torch.Generator().manual_seed(0)
    model = AssemblyGNN(30, generator=generator)
    centres = torch.tensor([[-3.0, 1.0], [0.0, 3.0], [4.0, -2.0]])
    with torch.no_grad():
        noise = 0.02 * torch.randn(30, 2, generator=generator)
        model.embedding.copy_(centres[TYPES] + noise)
    return model


def join(model: AssemblyGNN, n_steps: int = 20) -> np.ndarray:
    return join_alike(model, GRID, n_steps=n_steps, learning_rate=1e-3, seed=0)


def test_neurons_that_act_alike_get_the_median_latent_vector_of_their_group() -> None:
    model = two_step_model()
    before = model.embedding.detach().clone()

    labels = join(model)

    np.testing.assert_array_equal(labels, TYPES)
    for kind in range(3):
        expected = before[kind == TYPES].median(dim=0).values.expand(10, -1)
        assert torch.equal(model.embedding[kind == TYPES], expected)


def distance_to_median_curves(*, n_steps: int) -> float:
    """The component-wise median of a bent cloud lies off it, so phi there is another."""
    model = two_step_model()
    with torch.no_grad():
        angle = torch.linspace(0, 1.5, 10)
        model.embedding[TYPES == 0] = 4 * torch.stack([angle.cos(), angle.sin()], dim=1)
        curves = model.update_curves(GRID)
    labels = join(model, n_steps)
    goal = torch.stack([curves[labels == label].median(dim=0).values for label in range(3)])
    return float((model.update_curves(GRID) - goal[labels]).detach().norm())


@pytest.mark.parametrize("n_steps", [1, 3, 20])
def test_refit_that_is_too_short_makes_nothing_worse(n_steps: int) -> None:
    before = distance_to_median_curves(n_steps=0)

    assert distance_to_median_curves(n_steps=n_steps) <= before * (1 + 1e-6)


def test_only_phi_and_latent_vectors_change_and_no_gradient_stays() -> None:
    model = two_step_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    join(model)

    after = model.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "embedding" in changed <= {"update", "embedding"}
    assert all(parameter.grad is None for parameter in model.parameters())
