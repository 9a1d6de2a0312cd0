"""Graph networks on given edges against a slow plain version, and their files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.models import (
    AffineGNN,
    AssemblyGNN,
    GeneralGNN,
    SparseGNN,
    load_model,
    load_sparse_model,
    save_checkpoint,
)

PRE, POST = np.array([0, 1, 2, 2, 4]), np.array([1, 1, 0, 4, 4])


def general() -> GeneralGNN:
    model = GeneralGNN(5, n_edges=5, generator=torch.Generator().manual_seed(0))
    model.connect(PRE, POST)
    torch.nn.init.normal_(model.embedding, generator=torch.Generator().manual_seed(1))
    return model


def affine() -> AffineGNN:
    model = AffineGNN(5, n_edges=5, n_knots=4)
    model.connect(PRE, POST)
    with torch.no_grad():
        model.knots.copy_(torch.tensor([-1.0, 0.0, 0.5, 2.0]))
        model.values.copy_(torch.tensor([0.0, 0.0, 0.5, 2.0]))
        model.weight.copy_(torch.arange(1.0, 6.0))
    return model


@pytest.fixture(params=[general, affine])
def model(request: pytest.FixtureRequest) -> SparseGNN:
    return request.param()


def test_messages_are_sums_over_edges(model: SparseGNN) -> None:
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    sent = model.sent(x)
    expected = torch.zeros(3, 5)
    for weight, pre, post in zip(model.weight, PRE, POST, strict=True):
        expected[:, post] += (weight * sent[:, pre]).detach()

    torch.testing.assert_close(model.message(sent).detach(), expected)


def test_gradient_of_messages_is_that_of_a_dense_product(model: SparseGNN) -> None:
    sent = torch.randn(3, 5, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    model.message(sent).square().sum().backward()
    for_sent, for_weight = sent.grad, model.weight.grad
    sent.grad = model.weight.grad = None
    dense = torch.zeros(5, 5).index_put((model.post, model.pre), model.weight)
    (sent @ dense.T).square().sum().backward()

    torch.testing.assert_close(for_sent, sent.grad)
    torch.testing.assert_close(for_weight, model.weight.grad)


def test_a_piecewise_linear_transfer_is_the_rectifier_between_and_beyond_its_knots() -> None:
    x = torch.tensor([[-3.0, -0.2, 0.0, 0.7, 5.0]])

    torch.testing.assert_close(affine().sent(x).detach(), x.clamp_min(0))


def test_a_model_comes_back_from_its_file_with_its_edges(model: SparseGNN, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", model, step=3, provenance={}, extra={"n": 1})
    back, about = load_sparse_model(tmp_path / "a.pt")
    x = torch.randn(2, 5)

    assert type(back) is type(model) and about["extra"] == {"n": 1}
    torch.testing.assert_close(back(x, x), model(x, x))


def test_models_of_assemblies_and_of_graphs_are_told_apart(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "graph.pt", general(), step=0, provenance={})
    save_checkpoint(tmp_path / "assembly.pt", AssemblyGNN(4), step=0, provenance={})

    with pytest.raises(ValueError, match="holds a GeneralGNN, expected AssemblyGNN"):
        load_model(tmp_path / "graph.pt")
    with pytest.raises(ValueError, match="holds a AssemblyGNN, expected AffineGNN or GeneralGNN"):
        load_sparse_model(tmp_path / "assembly.pt")


def test_an_edge_outside_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"neurons 0\.\.5, but there are 0\.\.4"):
        AffineGNN(5, n_edges=1, n_knots=3).connect(np.array([0]), np.array([5]))
