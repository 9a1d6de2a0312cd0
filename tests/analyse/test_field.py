import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.analyse.field import TrueField, compare_field, field_dataset, mean_drive
from neuralgnn.models import AssemblyGNN


@pytest.fixture
def movie() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 1.5, (40, 3, 4))


def test_factor_of_each_pixel_does_not_count(movie) -> None:
    factor = np.random.default_rng(1).uniform(0.5, 2, (3, 4))

    scores = compare_field(movie * factor, movie)

    assert scores["r2"] == pytest.approx(1)
    assert scores["slope"] == pytest.approx(1)
    assert scores["static_r2"] < 0.5
    assert scores["published_r2"] < 0.9


def test_common_factor_does_not_count_as_published_either(movie) -> None:
    scores = compare_field(0.7 * movie, movie)

    assert scores["published_r2"] == pytest.approx(1)
    assert scores["published_slope"] == pytest.approx(1)
    assert scores["published_scale"] == pytest.approx(0.7**-0.5)
    assert scores["common_factor"] == pytest.approx(1 / 0.7)


def test_error_of_known_size_gives_its_r2(movie) -> None:
    gauged = movie / movie.mean(0)
    error = np.random.default_rng(2).standard_normal(movie.shape)
    error -= error.mean(0)

    scores = compare_field(gauged + 0.05 * error, movie)

    assert scores["r2"] == pytest.approx(1 - 0.05**2 * error.var() / gauged.var(), abs=1e-3)


@pytest.fixture
def true_field(movie) -> TrueField:
    neurons = 2 + np.arange(12).reshape(3, 4)
    attrs = {"movie_mode": "multiplicative", "movie_n_frames": 390}
    truth = xr.Dataset(
        {
            "movie": (("movie_frame", "row", "column"), movie),
            "driven": (("row", "column"), neurons),
        },
        attrs=attrs,
    )
    field = TrueField.from_truth(truth)
    assert field is not None
    return field


def test_true_field_follows_the_movie_of_the_recording(true_field, movie) -> None:
    np.testing.assert_array_equal(true_field.at(np.array([0, 9, 10, 389])), movie[[0, 0, 1, 38]])


def test_mean_drive_is_one_for_neurons_that_nothing_drives(true_field, movie) -> None:
    mean = mean_drive(true_field, np.arange(0, 390, 10), n_neurons=16)

    np.testing.assert_array_equal(mean[[0, 1, 14, 15]], 1)
    np.testing.assert_allclose(mean[2:14], movie[:39].mean(0).ravel())


def test_grid_of_another_shape_is_refused_with_both(true_field) -> None:
    field = {"shape": [4, 3], "first_neuron": 2, "n_frames": 390, "hidden": 8, "n_layers": 1}
    model = AssemblyGNN(16, hidden=8, field=field, generator=torch.Generator().manual_seed(0))

    with pytest.raises(ValueError, match=r"shape \(4, 3\) from neuron 2 on, the movie \(3, 4\)"):
        field_dataset(model, np.arange(0, 300, 30), true=true_field, time_unit="s", dt=0.01)
