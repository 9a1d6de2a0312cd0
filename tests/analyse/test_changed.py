import numpy as np
import pytest
import torch

from neuralgnn.analyse.changed import assign_blocks, learned_variant, published_variant
from neuralgnn.analyse.gauge import canonical
from neuralgnn.analyse.weights import published_scores

from .conftest import GAIN


def test_types_are_assigned_in_blocks_of_their_shares() -> None:
    types = assign_blocks(1000, (0.1, 0.2, 0.3, 0.4))
    assert np.bincount(types).tolist() == [100, 200, 300, 400]
    assert (np.diff(types) >= 0).all()
    assert np.bincount(assign_blocks(10, (0.6, 0.4, 0, 0)), minlength=4).tolist() == [6, 4, 0, 0]
    assert np.bincount(assign_blocks(7, (1 / 3, 1 / 3, 1 / 3))).sum() == 7


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (-0.3, 0.8)])
def test_an_exact_model_predicts_the_changed_network_in_any_gauge(
    make_model, network, sample, scale, offset
) -> None:
    model = make_model(scale=scale, offset=offset)
    before = model.weight.detach().clone()
    kept = np.random.default_rng(0).random((100, 100)) < 0.25
    types = assign_blocks(100, (0.1, 0.2, 0.3, 0.4))
    drift = learned_variant(
        model, canonical(model, sample), kept=kept, sources=np.array([3, 27, 55, 99])[types]
    )
    x = sample[:20]
    expected = network.rate(x.astype(float), weight=network.weight * kept, types=types)
    with torch.no_grad():
        np.testing.assert_allclose(drift(torch.tensor(x)), expected, atol=2e-4)
    torch.testing.assert_close(model.weight, before)


@pytest.mark.parametrize("offset", [0.0, 0.8])
def test_the_published_variant_puts_scaled_true_weights_into_the_model(
    make_model, network, sample, offset
) -> None:
    model = make_model(scale=0.4, offset=offset)
    new_weight = np.random.default_rng(0).standard_normal((100, 100)) * 0.05
    np.fill_diagonal(new_weight, 0)
    types = assign_blocks(100, (0.6, 0.4, 0, 0))
    raw = model.connectivity().detach().numpy()
    scale = published_scores(raw, network.weight)["slope"]
    assert scale == pytest.approx(GAIN / 0.4, rel=1e-5)
    drift = published_variant(
        model,
        canonical(model, sample),
        new_weight=new_weight,
        scale=scale,
        sources=np.array([3, 27, 55, 99])[types],
    )
    x = sample[:20]
    expected = network.rate(x.astype(float), weight=new_weight, types=types)
    with torch.no_grad():
        np.testing.assert_allclose(drift(torch.tensor(x)), expected, atol=2e-4)
