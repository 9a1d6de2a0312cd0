import pytest
import torch

from neuralgnn.config.fit import ModelConfig
from neuralgnn.models import build_model


def test_model_has_the_configured_shape() -> None:
    config = ModelConfig(
        embedding_dim=3, transfer_input="sender", n_layers=4, hidden=16, activation="silu"
    )

    model = build_model(config, n_neurons=5, activity_scale=2.0, generator=None)

    assert model.embedding.shape == (5, 3)
    assert model.activity_scale == 2.0
    linear = [layer for layer in model.transfer.layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.in_features for layer in linear] == [4, 16, 16, 16]
    assert isinstance(model.update.layers[1], torch.nn.SiLU)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_of_a_constant_recording_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="Is the activity constant, or not finite"):
        build_model(ModelConfig(), n_neurons=5, activity_scale=scale, generator=None)


def test_model_without_neurons_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build_model(ModelConfig(), n_neurons=0, activity_scale=1.0, generator=None)
