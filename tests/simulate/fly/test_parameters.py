"""Time constants, resting potentials, weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fly import (
    CHECKPOINT_VARIABLE,
    DefaultParameters,
    PretrainedParameters,
    SampledParameters,
)
from neuralgnn.simulate.fly import Connectome, compile_connectome
from neuralgnn.simulate.fly.parameters import biophysics

SAMPLED = SampledParameters()


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def untrained(eye: Connectome) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint."""
    return {
        "nodes_bias": torch.linspace(0, 1, 65),
        "nodes_time_const": torch.full((65,), 0.03),
        "edges_sign": torch.from_numpy(eye.pair_sign).float(),
        "edges_syn_count": torch.from_numpy(eye.filter_n_syn).log().float(),
        "edges_syn_strength": torch.full((604,), 0.01),
    }


def test_sampled_weights_have_the_stated_gain_and_signs(eye: Connectome) -> None:
    drawn = biophysics(SAMPLED, eye, generator=generator())
    total = np.bincount(eye.post, weights=np.abs(drawn.weight), minlength=eye.n_cells)
    largest = np.array([total[eye.type == number].max() for number in range(65)])

    np.testing.assert_allclose(largest, 0.9)
    np.testing.assert_array_equal(np.sign(drawn.weight), eye.pair_sign[eye.pair])
    assert 0.02 <= drawn.time_constant.min() < 0.04 < 0.15 < drawn.time_constant.max() <= 0.3
    assert len(np.unique(drawn.resting_potential)) == 65


def test_sampled_parameters_follow_the_seed_and_not_the_extent(eye: Connectome) -> None:
    one, same, other = (biophysics(SAMPLED, eye, generator=generator(s)) for s in (0, 0, 1))
    small = biophysics(SAMPLED, compile_connectome(1), generator=generator())

    np.testing.assert_array_equal(one.weight, same.weight)
    assert not np.allclose(one.weight, other.weight)
    np.testing.assert_array_equal(one.time_constant, small.time_constant)


def test_default_weights_of_a_pair_average_to_the_scale(eye: Connectome) -> None:
    default = biophysics(DefaultParameters(kind="default"), eye, generator=generator())
    counts = np.bincount(eye.pair, minlength=604)
    mean = np.bincount(eye.pair, weights=np.abs(default.weight), minlength=604)[counts > 0]

    np.testing.assert_allclose(mean / counts[counts > 0], 0.01)
    assert set(default.time_constant) == {0.05}
    assert default.resting_potential.std() == pytest.approx(0.05, rel=0.3)


def test_a_checkpoint_is_read_by_pair_and_offset(tmp_path: Path, eye: Connectome) -> None:
    path = tmp_path / "chkpt"
    torch.save({"network": untrained(eye), "decoder": {}}, path)

    read = biophysics(
        PretrainedParameters(kind="pretrained", path=str(path)), eye, generator=generator()
    )

    expected = 0.01 * eye.pair_sign[eye.pair] * eye.filter_n_syn[eye.filter]
    np.testing.assert_allclose(read.weight, expected, rtol=1e-5)
    np.testing.assert_allclose(read.resting_potential, np.linspace(0, 1, 65), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("edges_syn_strength", torch.ones(605), "edges_syn_strength has 605 values, expected 604"),
        ("nodes_time_const", None, "nodes_time_const has nothing, expected 65"),
        ("edges_sign", torch.ones(604), "edges_sign differs from the connectome's signs"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(
    tmp_path: Path, eye: Connectome, name: str, value: torch.Tensor | None, message: str
) -> None:
    path, tensors = tmp_path / "chkpt", untrained(eye)
    tensors = {k: v for k, v in (tensors | {name: value}).items() if v is not None}
    torch.save({"network": tensors}, path)
    config = PretrainedParameters(kind="pretrained", path=str(path))

    with pytest.raises(ValueError, match=f"of another architecture: {message}"):
        biophysics(config, eye, generator=generator())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("nodes_bias", float("nan"), "nodes_bias has 1 values that are not finite"),
        (
            "nodes_time_const",
            -0.02,
            r"nodes_time_const goes down to -0\.02 s, expected times above",
        ),
    ],
)
def test_a_checkpoint_with_impossible_values_is_refused(
    tmp_path: Path, eye: Connectome, name: str, value: float, message: str
) -> None:
    path, tensors = tmp_path / "chkpt", untrained(eye)
    tensors[name] = tensors[name].clone()
    tensors[name][3] = value
    torch.save({"network": tensors}, path)

    with pytest.raises(ValueError, match=message):
        biophysics(
            PretrainedParameters(kind="pretrained", path=str(path)), eye, generator=generator()
        )


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, eye: Connectome) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("no checkpoint")
    torch.save({"model": {}}, other)

    for path, message in [(text, "cannot be read as a checkpoint"), (other, "no entry 'network'")]:
        config = PretrainedParameters(kind="pretrained", path=str(path))
        with pytest.raises(ValueError, match=message):
            biophysics(config, eye, generator=generator())


def test_a_checkpoint_that_nobody_names_or_has_is_asked_for(
    tmp_path: Path, eye: Connectome, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PretrainedParameters(kind="pretrained")
    monkeypatch.delenv(CHECKPOINT_VARIABLE, raising=False)
    with pytest.raises(FileNotFoundError, match=f"variable {CHECKPOINT_VARIABLE} names a"):
        biophysics(config, eye, generator=generator())

    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"best_chkpt does not exist; get it with"):
        biophysics(config, eye, generator=generator())


def test_the_trained_network_has_the_published_weights(
    checkpoint: Path, whole: Connectome
) -> None:
    config = PretrainedParameters(kind="pretrained", path=str(checkpoint))

    trained = biophysics(config, whole, generator=generator())

    assert trained.weight.min() == pytest.approx(-1.503, abs=1e-3)
    assert trained.weight.max() == pytest.approx(4.173, abs=1e-3)
    assert trained.weight.std() == pytest.approx(0.1781, abs=1e-4)
    assert (trained.weight == 0).sum() == 16_985
    assert (np.abs(trained.weight) > 1).sum() == 1_936
