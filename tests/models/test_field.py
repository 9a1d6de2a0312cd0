import pytest
import torch

from neuralgnn.models import AssemblyGNN, load_model, save_checkpoint
from neuralgnn.models.field import SirenField

FIELD = {"shape": [2, 3], "first_neuron": 1, "n_frames": 100, "hidden": 16, "n_layers": 2}


@pytest.fixture
def field() -> SirenField:
    return SirenField((32, 32), n_frames=50_000, generator=torch.Generator().manual_seed(0))


def test_network_of_the_published_size_has_its_parameters(field) -> None:
    """Three inputs, six sine layers of 128, one output. Source: published SIREN checkpoint."""
    assert sum(parameter.numel() for parameter in field.parameters()) == 83_201


def test_weights_start_uniform_within_the_published_bounds(field) -> None:
    """U(+-1/3) in the first layer, U(+-sqrt(6/128)/30) later: sines stay sines at any depth."""
    first, *later = [layer.weight.detach() for layer in field.layers]

    assert 0.32 < first.abs().max() <= 1 / 3
    for weight in later:
        bound = (6 / 128) ** 0.5 / 30
        assert 0.9 * bound < weight.abs().max() <= bound
        assert weight.mean().abs() < 0.1 * bound
    wide = later[0]
    assert wide.std().item() == pytest.approx((6 / 128) ** 0.5 / 30 / 3**0.5, rel=0.02)


def test_hidden_sines_keep_their_spread_through_the_layers(field) -> None:
    """By the weights' bounds arguments of the first hidden sines have standard deviation 1."""
    values = torch.rand(4096, 3, generator=torch.Generator().manual_seed(1))
    spreads = []
    for layer in field.layers[:-1]:
        argument = field.omega_0 * layer(values)
        spreads.append(float(argument.std(0).mean().detach()))
        values = torch.sin(argument)

    assert spreads[1] == pytest.approx(1, abs=0.1)
    assert min(spreads[2:]) > 0.4


def test_field_is_never_negative_and_changes_with_place_and_time(field) -> None:
    with torch.no_grad():
        values = field.at(torch.tensor([0, 10_000, 40_000]))

    assert values.shape == (3, 1024)
    assert values.min() >= 0
    assert values.std(0).min() > 0
    assert values.std(1).min() > 0


def test_points_are_rows_columns_and_share_of_the_recording(field) -> None:
    inputs = field.inputs(torch.tensor([0, 25_000]), torch.tensor([31, 32]))

    torch.testing.assert_close(inputs, torch.tensor([[0.0, 1.0, 0.0], [1 / 31, 0.0, 0.5]]))


@pytest.fixture
def model() -> AssemblyGNN:
    generator = torch.Generator().manual_seed(0)
    return AssemblyGNN(9, hidden=8, field=FIELD, generator=generator)


def test_field_multiplies_the_messages_of_driven_neurons_only(model) -> None:
    x = torch.randn(4, 9, generator=torch.Generator().manual_seed(2))
    frames = torch.tensor([0, 5, 50, 99])
    drive = torch.ones(4, 9)
    assert model.field is not None
    drive[:, 1:7] = model.field.at(frames)

    expected = model.self_update(x) + drive * (model.sent(x) @ model.connectivity().T)

    torch.testing.assert_close(model(x, frames=frames), expected)


def test_checkpoint_carries_the_field(model, tmp_path) -> None:
    save_checkpoint(tmp_path / "model.pt", model, step=1, provenance={})

    loaded, _ = load_model(tmp_path / "model.pt")

    x, frames = torch.randn(2, 9), torch.tensor([3, 77])
    assert torch.equal(loaded(x, frames=frames), model(x, frames=frames))


def test_model_with_a_field_asks_for_frames(model) -> None:
    with pytest.raises(ValueError, match=r"say at which frames"):
        model(torch.zeros(1, 9))


def test_field_beyond_the_assembly_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"neurons 4\.\.9, but there are only 9"):
        AssemblyGNN(9, field=FIELD | {"first_neuron": 4})
