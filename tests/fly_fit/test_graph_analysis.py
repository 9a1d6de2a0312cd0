"""Analysis of a fit on a graph: published correction, scores, predictions, stores."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
import xarray as xr

from neuralgnn.analyse.fly import analyse_graph
from neuralgnn.analyse.fly.correction import Constants, own_constants, published_constants
from neuralgnn.analyse.fly.evaluate import FastModel, voltage_range
from neuralgnn.analyse.fly.prediction import one_step_scores
from neuralgnn.analyse.fly.quality import EdgeQuality
from neuralgnn.analyse.fly.scores import line_scores, r2
from neuralgnn.analyse.fly.spectra import spectra_dataset
from neuralgnn.analyse.fly.weights import weights_dataset
from neuralgnn.data import Recording, open_recording, open_truth
from neuralgnn.models import AffineGNN
from neuralgnn.plot.figures import FIGURES

from .conftest import Circuit

Result = tuple[dict[str, xr.Dataset], Mapping[str, Mapping[str, float | None]]]


@pytest.fixture(scope="module")
def true_model(circuit: Circuit) -> AffineGNN:
    """The model that is the truth, but messages a third of the true ones' size."""
    graph = circuit.graph
    model = AffineGNN(graph.n_neurons, n_edges=graph.n_edges, n_knots=3)
    model.connect(graph.pre, graph.post)
    leak = 1 / circuit.time_constant
    constants = np.column_stack([circuit.resting_potential * leak, leak, leak])
    with torch.no_grad():
        model.knots.copy_(torch.tensor([-3.0, 0.0, 3.0]))
        model.values.copy_(torch.tensor([0.0, 0.0, 1.0]))
        model.embedding.copy_(torch.as_tensor(constants))
        model.weight.copy_(torch.as_tensor(3 * circuit.weight))
    return model


@pytest.fixture(scope="module")
def result(recording: Recording, true_model: AffineGNN) -> Result:
    quality = {
        "weight_error": torch.zeros(true_model.n_edges),
        "resolution": torch.ones(true_model.n_edges),
    }
    return analyse_graph(
        recording,
        open_truth(recording.path),
        open_recording(recording.path.with_name("test.zarr")),
        true_model,
        extra=quality,
        validation_fraction=0.1,
    )


def test_published_correction_undoes_the_scale_of_messages(
    recording: Recording, true_model: AffineGNN, circuit: Circuit
) -> None:
    fast = FastModel(true_model, circuit.graph)
    ranges = voltage_range(recording, range(2250))
    found = published_constants(true_model, fast, recording, 2250, ranges)
    # The line through a rectifier has slope one where the whole range is positive.
    firing = (ranges.mean - 2 * ranges.deviation > 0)[circuit.graph.pre]

    np.testing.assert_allclose(found.weight[firing], circuit.weight[firing], atol=2e-4)
    np.testing.assert_allclose(found.time_constant, circuit.time_constant, rtol=1e-4)
    np.testing.assert_allclose(found.resting_potential, circuit.resting_potential, atol=1e-4)
    own = own_constants(true_model, found)
    np.testing.assert_allclose(own.weight, 3 * circuit.weight, rtol=1e-5)


def test_voltage_statistics_do_not_depend_on_blocks(recording: Recording) -> None:
    x = recording.activity(slice(0, 700)).astype(float)
    ranges = voltage_range(recording, range(700), block=97)

    np.testing.assert_allclose(ranges.mean, x.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ranges.deviation, x.std(0, ddof=1), rtol=1e-5)


def test_the_true_model_predicts_held_out_stimuli_exactly(result: Result) -> None:
    _, metrics = result

    for name in ("one_step_rmse", "rollout_rmse"):
        value = metrics[name]["value"]
        assert value is not None and value < 1e-4
    assert metrics["rollout_pearson"]["value"] == pytest.approx(1, abs=1e-5)


def test_silenced_edges_do_not_act(recording: Recording, true_model: AffineGNN) -> None:
    assert recording.graph is not None
    test = open_recording(recording.path.with_name("test.zarr"))
    none = np.zeros(true_model.n_edges, dtype=bool)
    silenced = one_step_scores(FastModel(true_model, recording.graph, kept=none), test)

    assert silenced.rmse.mean() > 1


def test_types_are_found_and_null_edges_are_told_from_real_ones(result: Result) -> None:
    datasets, metrics = result

    assert metrics["weights_auroc_null"]["value"] == 1
    # A hundred components for 150 neurons: what true features reach is low too.
    found, ceiling = (metrics["type_ari"][key] for key in ("value", "ceiling"))
    assert found == pytest.approx(ceiling, abs=0.05)
    assert set(datasets) == {"weights", "circuit", "functions", "neurons", "spectra", "prediction"}


def test_a_model_of_the_whole_network_predicts_the_one_with_silent_edges(
    recording: Recording, true_model: AffineGNN, circuit: Circuit, tmp_path: Path
) -> None:
    silent = np.random.default_rng(0).random(true_model.n_edges) < 0.5
    weight = np.where(silent, 0, circuit.weight)
    ablated = replace(circuit, weight=weight).write(tmp_path / "a.zarr", 60, noise=0, seed=2)
    quality = {name: torch.ones(true_model.n_edges) for name in ("weight_error", "resolution")}
    options = {"extra": quality, "validation_fraction": 0.1}
    scores = [
        analyse_graph(recording, None, None, true_model, ablated=(ablated, which), **options)[1]
        for which in (silent, ~silent)
    ]

    right, wrong = (each["ablated_rollout_rmse"]["value"] for each in scores)
    assert right is not None and wrong is not None
    assert right < 1e-4 < 0.01 < wrong
    with pytest.raises(ValueError, match="silences some of 3 edges"):
        analyse_graph(recording, None, None, true_model, ablated=(ablated, silent[:3]), **options)


def test_null_edges_that_the_data_cannot_tell_lower_the_ceiling(circuit: Circuit) -> None:
    n_edges, null = circuit.graph.n_edges, circuit.weight == 0
    constants = Constants(circuit.weight, circuit.time_constant, circuit.resting_potential)
    truth = circuit.truth()

    def judged(error: float, resolution: float) -> tuple[dict, dict]:
        quality = EdgeQuality(*(np.full(n_edges, value) for value in (error, error, resolution)))
        _, found, most = weights_dataset(
            circuit.graph, constants, constants, constants, truth, quality
        )
        return found, most

    found, sharp = judged(1e-6, 1.0)
    _, blunt = judged(0.3, 1.0)

    assert null.any() and found["weights_auroc_null"] == 1
    assert sharp["weights_auroc_null"] > 0.999 > 0.9 > blunt["weights_auroc_null"]
    bound = sharp["weights_r2_identifiable"], blunt["weights_r2_identifiable"]
    true = circuit.weight
    assert bound[1] == pytest.approx(1 - 0.3**2 / true.var(), rel=1e-6) and bound[0] > 0.999999


def test_scores_differ_where_the_published_ones_are_blind() -> None:
    true = np.array([0.0, 1.0, 2.0, 3.0])

    assert line_scores(2 * true + 1, true) == pytest.approx((1, 2))
    assert r2(2 * true + 1, true) < 0
    outlier = np.append(true, 1.0), np.append(true, 20.0)
    assert line_scores(*outlier, drop_outliers=True) == pytest.approx((1, 1))


def test_equal_matrices_have_equal_spectra_and_aligned_vectors() -> None:
    matrix = scipy.sparse.random_array(
        (80, 80), density=0.2, rng=np.random.default_rng(0), format="csr"
    )
    spectra = spectra_dataset(matrix, matrix)
    expected = np.sort(np.linalg.svd(matrix.toarray(), compute_uv=False))[::-1]

    np.testing.assert_allclose(spectra["true_singular_value"][:20], expected[:20], rtol=1e-3)
    np.testing.assert_allclose(spectra["left_alignment"], 1, atol=1e-6)
    largest = np.abs(np.linalg.eigvals(matrix.toarray())).max()
    found = np.hypot(spectra["true_eigenvalue_real"][0], spectra["true_eigenvalue_imag"][0])
    assert float(found) == pytest.approx(largest)


_LETTERS = {"fly": 7, "fly_spectra": 6, "fly_types": 4, "fly_circuit": 2, "fly_rollout": 3}


@pytest.mark.parametrize("name", _LETTERS)
def test_figures_are_drawn_from_the_stores(result: Result, name: str) -> None:
    datasets, _ = result
    figure = FIGURES[name].function({need: datasets[need] for need in FIGURES[name].needs})

    lettered = {text.get_text() for ax in figure.axes for text in ax.texts} & set("abcdefg")
    assert len(lettered) == _LETTERS[name]
    assert len(FIGURES[name].caption) > 80


def test_a_fit_of_another_recording_is_refused(recording: Recording, tmp_path: Path) -> None:
    other = AffineGNN(recording.n_neurons, n_edges=7, n_knots=3)

    with pytest.raises(ValueError, match="the model 150 neurons, 7 edges"):
        analyse_graph(recording, None, None, other, extra={}, validation_fraction=0.1)
