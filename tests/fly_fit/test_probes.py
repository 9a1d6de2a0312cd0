"""Flashes and moving edges: indices of cells whose answers are known."""

import numpy as np
import pytest
import xarray as xr

from neuralgnn.analyse.fly.probes import Probe, probe_dataset
from neuralgnn.data import Stimulus
from neuralgnn.plot.figures import FIGURES

from .conftest import Circuit

ANGLES = np.arange(0, 360, 45.0)
CELLS = [f"T{family}{letter}" for family in (4, 5) for letter in "abcd"]
PREFERS = dict(zip(CELLS, [180.0, 0.0, 90.0, 270.0] * 2, strict=True))


def shown() -> Probe:
    """Eight columns, one per direction, that see nothing but edges in their direction."""
    flashes = np.full((2, 30, 8), 0.5)
    flashes[0, 10:20], flashes[1, 10:20] = 0.0, 1.0
    edges = np.full((2, 8, 20, 8), 0.5)
    for number, angle in enumerate(ANGLES):
        for column, prefers in enumerate(PREFERS.values()):
            seen = max(0.0, np.cos(np.deg2rad(angle - prefers)))
            edges[0, number, 5:, column] = 0.5 - 0.5 * seen
            edges[1, number, 5:, column] = 0.5 + 0.5 * seen
    return Probe(
        flashes=flashes,
        lit=(10, 20),
        edges=[edges],
        angles=ANGLES.tolist(),
        dt=0.02,
        grey=0.5,
        settle=200,
    )


@pytest.fixture(scope="module")
def answers() -> xr.Dataset:
    """Low-pass filters: T4 follow the light above grey, T5 what is missing of it."""
    sign = np.array([1.0] * 4 + [-1.0] * 4, dtype=np.float32)

    def rate(v: np.ndarray, external: np.ndarray) -> np.ndarray:
        return (sign * (external - 0.5) - v) / np.float32(0.04)

    channels = np.arange(8)
    stimulus = Stimulus(
        values=np.zeros((1, 8), np.float32),
        frame=np.zeros(1, dtype=int),
        input_neuron=channels,
        input_channel=channels,
    )
    return probe_dataset(
        shown(),
        {"learned": rate, "true": lambda v, external: 0.5 * rate(v, external)},
        stimulus=stimulus,
        cells=channels,
        names=CELLS,
        n_neurons=8,
    )


def test_cells_prefer_the_luminance_and_the_direction_that_they_were_made_for(
    answers: xr.Dataset,
) -> None:
    learned = answers.sel(network="learned")

    assert (np.sign(learned["flash_index"].values) == [1] * 4 + [-1] * 4).all()
    assert answers.attrs["learned_polarity_right"] == 1
    assert answers.attrs["learned_direction_error"] == pytest.approx(0, abs=1e-3)
    for cell, angle in PREFERS.items():
        contrast = "bright" if cell.startswith("T4") else "dark"
        tuned = learned.sel(cell_type=cell, contrast=contrast)
        turned = np.deg2rad(float(tuned["preferred_direction"]) - angle)
        assert np.cos(turned) == pytest.approx(1, abs=1e-6)
        # A rectified cosine, sampled at eight angles: |sum R e^i| / sum R = 2 / (1 + sqrt 2).
        assert float(tuned["selectivity"]) == pytest.approx(2 / (1 + 2**0.5), abs=0.01)


def test_a_network_of_other_size_of_answers_has_the_same_directions(answers: xr.Dataset) -> None:
    directions = answers["preferred_direction"]
    made_for = [("bright" if cell.startswith("T4") else "dark") for cell in CELLS]
    for cell, contrast in zip(CELLS, made_for, strict=True):
        of_cell = directions.sel(cell_type=cell, contrast=contrast)
        off = float(of_cell.sel(network="true") - of_cell.sel(network="learned"))
        assert np.cos(np.deg2rad(off)) == pytest.approx(1, abs=1e-6)
    assert answers.attrs["flash_index_difference"] > 0  # a slower network stays behind


def test_the_figure_shows_all_cells_of_t4_and_t5(answers: xr.Dataset) -> None:
    figure = FIGURES["fly_probes"].function({"probes": answers})
    titles = [ax.get_title() for ax in figure.axes[1:]]

    assert titles == [f"{c}, {'bright' if c[1] == '4' else 'dark'} edge" for c in CELLS]
    with pytest.raises(ValueError, match="shows T5d, which the store lacks"):
        FIGURES["fly_probes"].function({"probes": answers.isel(cell_type=slice(7))})


def test_true_model_is_the_truth(circuit: Circuit) -> None:
    from neuralgnn.analyse.fly.evaluate import FastModel
    from neuralgnn.analyse.fly.probes import true_model

    x, rates, stimulus = circuit.simulate(50, noise=0.05, seed=4)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])
    model = true_model(circuit.truth(), circuit.graph)

    np.testing.assert_allclose(
        FastModel(model, circuit.graph).rate(x, external), rates, rtol=1e-4, atol=1e-4
    )
