"""Golden numbers: Allier et al. 2026, published connectivity of supplements 7, 8 and 11."""

from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from pydantic import TypeAdapter

from neuralgnn.config.simulation import Connectivity
from neuralgnn.simulate import draw_weights
from neuralgnn.simulate.connectivity import cauchy_exponent, filling_mask


def draw(n_neurons: int = 60, seed: int = 42, **connectivity) -> np.ndarray:
    config = TypeAdapter(Connectivity).validate_python(connectivity)
    return draw_weights(config, n_neurons=n_neurons, seed=seed)


def test_published_matrix_of_1000_neurons() -> None:
    weight = draw(1000, kind="cauchy")
    eigenvalues = np.linalg.eigvals(weight)

    assert weight.dtype == np.float32
    assert np.count_nonzero(weight) == 973_769
    assert weight.std() == pytest.approx(0.03070, abs=5e-6)
    assert weight.max() == pytest.approx(0.1986, abs=5e-5)
    assert np.abs(eigenvalues).max() == pytest.approx(1.0126, abs=5e-5)
    assert eigenvalues.real.max() == pytest.approx(0.9689, abs=5e-5)


def test_published_matrix_bit_for_bit() -> None:
    """The published order of operations, on all draws at once."""
    draws = np.random.RandomState(42).standard_cauchy(10**6)
    draws[np.abs(draws) > 25] = 0
    expected = (draws / 1000**0.7).reshape(1000, 1000).astype(np.float32)
    np.fill_diagonal(expected, 0)

    np.testing.assert_array_equal(draw(1000, kind="cauchy"), expected)


@pytest.mark.parametrize(
    ("filling", "n_connections", "std"),
    [
        (0.05, 48_694, 0.00684),
        (0.1, 97_418, 0.00965),
        (0.2, 194_996, 0.01377),
        (0.5, 487_673, 0.02181),
    ],
)
def test_published_sparse_matrices(filling: float, n_connections: int, std: float) -> None:
    weight = draw(1000, kind="cauchy", filling=filling)

    assert np.count_nonzero(weight) == n_connections
    assert weight.std() == pytest.approx(std, abs=5e-6)


def test_mask_drawn_by_rows_is_the_one_drawn_at_once() -> None:
    uniform = torch.rand(130, 130, generator=torch.Generator().manual_seed(42))
    mask = filling_mask(130, filling=0.3, seed=42)

    np.testing.assert_array_equal(mask, uniform.numpy() <= 0.3)
    np.testing.assert_array_equal(
        draw(130, kind="gaussian", filling=0.3), np.where(mask, draw(130, kind="gaussian"), 0)
    )


def test_published_matrix_of_2048_neurons() -> None:
    weight = draw(2048, kind="cauchy")

    assert np.count_nonzero(weight) == 4_085_405
    assert weight.std() == pytest.approx(0.02248, abs=5e-6)
    assert weight.max() == pytest.approx(0.1455, abs=5e-5)


@pytest.mark.slow
def test_published_matrix_of_8000_neurons() -> None:
    weight = draw(8000, kind="cauchy")

    assert np.count_nonzero(weight) == 62_362_911
    assert weight.std() == pytest.approx(0.01026, abs=5e-6)


@pytest.mark.parametrize(
    ("n_neurons", "exponent"),
    [
        (1999, 0.7),
        (2000, 0.675),
        (3999, 0.675),
        (4000, 0.67),
        (7999, 0.67),
        (8000, 0.66),
        (8001, 0.5),
    ],
)
def test_exponent_follows_the_published_rule(n_neurons: int, exponent: float) -> None:
    assert cauchy_exponent(n_neurons) == exponent


def test_clip_and_exponent_can_be_given() -> None:
    weight = draw(kind="cauchy", clip=3.0, exponent=1.0)

    assert 2.5 / 60 < np.abs(weight).max() <= 3 / 60


FAMILIES = [
    {"kind": "cauchy"},
    {"kind": "gaussian"},
    {"kind": "chaotic"},
    {"kind": "uniform"},
    {"kind": "low_rank", "rank": 3},
    {"kind": "ring"},
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["kind"])
def test_no_neuron_sends_to_itself(family: dict) -> None:
    weight = draw(**family)

    assert weight.shape == (60, 60)
    assert weight.dtype == np.float32
    assert not weight.diagonal().any()
    assert np.count_nonzero(weight) > 60 * 50


@pytest.mark.parametrize("family", FAMILIES[:-1], ids=lambda family: family["kind"])
def test_weights_follow_from_the_seed(family: dict) -> None:
    np.testing.assert_array_equal(draw(**family), draw(**family))
    assert not np.array_equal(draw(**family), draw(seed=43, **family))


def test_normal_weights_have_the_stated_deviation() -> None:
    assert draw(400, kind="gaussian", scale=2.0).std() == pytest.approx(2 / 20, rel=0.02)


def test_chaotic_weights_have_the_stated_spectral_radius() -> None:
    radius = np.abs(np.linalg.eigvals(draw(400, kind="chaotic", scale=1.5))).max()
    assert radius == pytest.approx(1.5, rel=0.1)


def test_uniform_weights_fill_their_range() -> None:
    weight = draw(200, kind="uniform", low=-0.1, high=0.4)[~np.eye(200, dtype=bool)]

    assert weight.min() == pytest.approx(-0.1, abs=1e-3)
    assert weight.max() == pytest.approx(0.4, abs=1e-3)
    assert weight.mean() == pytest.approx(0.15, abs=5e-3)


def test_block_off_the_diagonal_has_the_stated_rank() -> None:
    """The diagonal is zeroed, so the rank shows in a block that does not touch it."""
    weight = draw(kind="low_rank", rank=3)

    assert np.linalg.matrix_rank(weight[:30, 30:], tol=1e-5) == 3
    assert weight.std() == pytest.approx(60**-0.5, rel=0.2)


def test_ring_weights_depend_on_distance_only() -> None:
    weight = draw(8, kind="ring")

    assert weight[2, 5] == pytest.approx((np.cos(2 * np.pi * 3 / 8) + 0.5) / 8)
    np.testing.assert_allclose(weight, np.roll(weight, (1, 1), (0, 1)), atol=1e-8)


@pytest.mark.parametrize("fraction", [0.0, 0.8, 1.0])
def test_every_sender_keeps_one_sign(fraction: float) -> None:
    weight = draw(kind="gaussian", excitatory_fraction=fraction, filling=0.5)
    n_excitatory = int(60 * fraction)

    assert (weight[:, :n_excitatory] >= 0).all()
    assert (weight[:, n_excitatory:] <= 0).all()
    np.testing.assert_array_equal(np.abs(weight), np.abs(draw(kind="gaussian", filling=0.5)))


# Files


@pytest.fixture
def matrix() -> np.ndarray:
    weight = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    np.fill_diagonal(weight, 0)
    return weight


def save(path: Path, weight: np.ndarray) -> str:
    match path.suffix:
        case ".npy":
            np.save(path, weight)
        case ".npz":
            np.savez(path, weight=weight)
        case ".csv":
            np.savetxt(path, weight, delimiter=",")
        case ".zarr":
            zarr.create_array(path, data=weight)
        case ".pt":
            torch.save(torch.from_numpy(weight), path)
    return str(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr", ".pt"])
def test_file_of_every_format_is_read(tmp_path: Path, matrix, suffix: str) -> None:
    path = save(tmp_path / f"w{suffix}", matrix)
    np.testing.assert_array_equal(draw(6, kind="file", path=path), matrix)


def test_tensor_of_a_dictionary_is_found_by_key(tmp_path: Path, matrix) -> None:
    tensors = {"W": torch.from_numpy(matrix).to_sparse(), "tau": torch.ones(6), "note": "x"}
    torch.save(tensors, tmp_path / "w.pt")
    path = str(tmp_path / "w.pt")

    np.testing.assert_array_equal(draw(6, kind="file", path=path, key="W"), matrix)
    with pytest.raises(ValueError, match=r"2 arrays \(W, tau\), and no key was given"):
        draw(6, kind="file", path=path)


def test_connections_to_oneself_in_a_file_are_dropped_and_told(tmp_path, matrix, caplog) -> None:
    path = save(tmp_path / "w.npy", matrix + np.eye(6, dtype=np.float32))

    np.testing.assert_array_equal(draw(6, kind="file", path=path), matrix)
    assert "6 connections of neurons to themselves" in caplog.text


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr", ".pt"])
def test_file_of_another_size_is_refused(tmp_path: Path, matrix, suffix: str) -> None:
    path = save(tmp_path / f"w{suffix}", matrix)
    with pytest.raises(ValueError, match=r"shape \(6, 6\), expected \(7, 7\) from n_neurons = 7"):
        draw(7, kind="file", path=path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr", ".pt"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, matrix, suffix, value) -> None:
    matrix[2, 4] = value
    path = save(tmp_path / f"w{suffix}", matrix)
    with pytest.raises(ValueError, match=r"(nan|inf) from neuron 4 to 2"):
        draw(6, kind="file", path=path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".zarr", ".pt"])
def test_unreadable_file_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"w{suffix}").write_bytes(b"no, weights")
    with pytest.raises(ValueError, match="cannot be read as"):
        draw(6, kind="file", path=str(tmp_path / f"w{suffix}"))


def test_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save(Path("harmless"), tmp_path / "w.pt")
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        draw(6, kind="file", path=str(tmp_path / "w.pt"))


def test_complex_weights_are_refused(tmp_path: Path, matrix) -> None:
    path = save(tmp_path / "w.npy", matrix + 1j)
    with pytest.raises(ValueError, match="dtype complex"):
        draw(6, kind="file", path=path)


@pytest.mark.parametrize("name", ["w.npy", "w.pt"])
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        draw(6, kind="file", path=str(tmp_path / name))
