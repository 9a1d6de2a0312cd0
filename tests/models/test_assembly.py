from copy import deepcopy
from itertools import product

import pytest
import torch

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.per_edge import per_edge_forward

VARIANTS = list(
    product(["learned", "fixed"], ["activity", "sender", "pair"], ["relu", "tanh", "silu"])
)


@pytest.fixture(params=VARIANTS, ids="-".join)
def model(request: pytest.FixtureRequest) -> AssemblyGNN:
    embedding, transfer_input, activation = request.param
    return build(embedding=embedding, transfer_input=transfer_input, activation=activation)


def build(n_neurons: int = 6, **arguments) -> AssemblyGNN:
    """A model whose every part matters: random latent vectors, weights of order one."""
    generator = torch.Generator().manual_seed(1)
    model = AssemblyGNN(
        n_neurons, hidden=8, activity_scale=2.5, generator=generator, **arguments
    ).double()
    with torch.no_grad():
        model.embedding.normal_(generator=generator)
        model.weight.normal_(generator=generator)  # the diagonal too
    return model


@pytest.fixture
def x() -> torch.Tensor:
    return 4 * torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_rates_equal_the_sum_over_edges(model: AssemblyGNN, x: torch.Tensor) -> None:
    torch.testing.assert_close(model(x), per_edge_forward(model, x), rtol=1e-12, atol=1e-12)


def test_per_edge_sum_equals_plain_loops(x: torch.Tensor) -> None:
    model = build(transfer_input="sender")
    a, scale = model.embedding, model.activity_scale
    expected = torch.zeros_like(x)
    for frame, post in product(range(5), range(6)):
        own = torch.cat([x[frame, post, None] / scale, a[post]])
        expected[frame, post] = model.update(own)
        for pre in range(6):
            if pre != post:
                sender = torch.cat([x[frame, pre, None] / scale, a[pre]])
                expected[frame, post] += model.weight[post, pre] * model.transfer(sender)

    torch.testing.assert_close(per_edge_forward(model, x), expected, rtol=1e-12, atol=1e-12)


def test_a_psi_of_both_neurons_is_the_sum_over_its_terms(x: torch.Tensor) -> None:
    model = build(transfer_input="pair", transfer_terms=3)
    a, psi = model.embedding, model.transfer
    sender = torch.cat([x[1, 4, None] / model.activity_scale, a[4]])
    pairs = zip(psi.shares, psi.terms, strict=True)
    expected = sum(share(a[2]) * term(sender) for share, term in pairs)

    torch.testing.assert_close(model.sent_to(2, x)[1, 4], expected)


def test_a_given_connectivity_changes_nothing(model: AssemblyGNN, x: torch.Tensor) -> None:
    given = model.inflow(x, connectivity=model.connectivity().T)

    torch.testing.assert_close(given, model.inflow(x), rtol=1e-12, atol=1e-12)


def test_single_precision_stays_near_the_double_reference(x: torch.Tensor) -> None:
    model = build()
    reference = per_edge_forward(model, x)

    found = deepcopy(model).float()(x.float())

    torch.testing.assert_close(found.double(), reference, rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_the_sum_over_edges(model: AssemblyGNN, x: torch.Tensor) -> None:
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [parameter for _, parameter in learned]

    found = torch.autograd.grad(model(x).square().sum(), parameters)
    expected = torch.autograd.grad(per_edge_forward(model, x).square().sum(), parameters)

    for (name, _), one, other in zip(learned, found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: n + m)


def test_diagonal_of_the_weights_never_matters(model: AssemblyGNN, x: torch.Tensor) -> None:
    changed = deepcopy(model)
    with torch.no_grad():
        changed.weight.diagonal().fill_(7.0)

    torch.testing.assert_close(changed(x), model(x), rtol=1e-10, atol=1e-10)
    assert (changed.connectivity().diagonal() == 0).all()
    changed(x).square().sum().backward()
    assert changed.weight.grad is not None
    assert changed.weight.grad.diagonal().abs().max() < 1e-9


def test_renumbering_neurons_renumbers_rates(model: AssemblyGNN, x: torch.Tensor) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    renumbered = deepcopy(model)
    with torch.no_grad():
        renumbered.embedding.copy_(model.embedding[order])
        renumbered.weight.copy_(model.weight[order][:, order])

    torch.testing.assert_close(renumbered(x[:, order]), model(x)[:, order])


def test_frames_are_independent(model: AssemblyGNN, x: torch.Tensor) -> None:
    torch.testing.assert_close(torch.cat([model(row[None]) for row in x]), model(x))


def test_curves_are_the_functions_on_a_grid(model: AssemblyGNN) -> None:
    grid = torch.linspace(-3, 3, 9, dtype=torch.float64)
    state = grid[4].expand(1, 6)

    torch.testing.assert_close(model.update_curves(grid)[:, 4], model.self_update(state)[0])
    torch.testing.assert_close(model.transfer_curves(grid)[:, 4], model.sent(state)[0])


def test_fixed_embedding_has_no_gradient_and_is_equal_for_all() -> None:
    model = AssemblyGNN(4, embedding="fixed")

    model(torch.randn(2, 4)).sum().backward()

    assert model.embedding.grad is None
    assert (model.embedding == 1).all()


def test_tabulated_psi_is_exact_for_a_straight_line_and_close_otherwise(x: torch.Tensor) -> None:
    model = build()
    grid = torch.linspace(-20, 20, 1024, dtype=torch.float64)
    exact = model.sent(x)

    torch.testing.assert_close(model.sent_from_table(x, grid), exact, rtol=0, atol=2e-3)
    torch.testing.assert_close(model(x, grid=grid), model(x), rtol=0, atol=2e-2)

    with torch.no_grad():  # all hidden units active: psi is a straight line
        for layer in model.transfer.layers[::2]:
            layer.weight.abs_()
            layer.bias.fill_(100.0)
    torch.testing.assert_close(model.sent_from_table(x, grid), model.sent(x), rtol=1e-9, atol=0)


def test_tabulated_psi_has_the_gradients_of_the_exact_one(x: torch.Tensor) -> None:
    model = build(activation="tanh")
    parameters = list(model.transfer.parameters())
    grid = torch.linspace(-20, 20, 4096, dtype=torch.float64)

    found = torch.autograd.grad(model.sent_from_table(x, grid).square().sum(), parameters)
    expected = torch.autograd.grad(model.sent(x).square().sum(), parameters)

    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_table_is_refused_where_psi_sees_the_sender(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="one table cannot hold it"):
        build(transfer_input="sender").sent_from_table(x, torch.linspace(-1, 1, 10))


def test_initial_parameters_follow_from_the_generator() -> None:
    one, same, other = (
        AssemblyGNN(5, generator=torch.Generator().manual_seed(seed)).state_dict()
        for seed in (3, 3, 4)
    )

    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["weight"], other["weight"])


def test_initial_messages_are_a_tenth_of_what_is_sent() -> None:
    model = AssemblyGNN(400, generator=torch.Generator().manual_seed(0))
    sent = torch.randn(50, 400, generator=torch.Generator().manual_seed(1))

    assert model.message(sent).std().item() == pytest.approx(0.1, rel=0.05)
