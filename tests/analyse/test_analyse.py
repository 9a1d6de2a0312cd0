"""The whole analysis of models that are known."""

import numpy as np
import pytest
import torch

from neuralgnn.analyse import NetworkChange, analyse, assign_blocks
from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.data.recording import open_recording
from neuralgnn.data.store import open_dataset, save_dataset
from neuralgnn.data.writer import recording_from_array
from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.checkpoint import save_checkpoint

from .conftest import DT

CONFIG = AnalysisConfig.model_validate(
    {
        "rollout": {"n_starts": 3, "n_frames": 300, "report_frames": (100, 300)},
        "clusters": {"max_clusters": 8},
        "lyapunov_frames": 2000,
        "curve_points": 60,
        "n_montage": 2,
        "projection": None,
    }
)


@pytest.fixture(scope="module")
def recording(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "activity.zarr"
    recording_from_array(path, network.activity, dt=DT, drift=network.drift, time_unit="s")
    return open_recording(path)


@pytest.fixture(scope="module")
def change(network) -> NetworkChange:
    rng = np.random.default_rng(0)
    kept = rng.random((100, 100)) < 0.5
    return NetworkChange(
        types=assign_blocks(100, (0.1, 0.2, 0.3, 0.4)),
        kept=kept,
        new_weight=rng.permuted(network.weight, axis=1) * kept * ~np.eye(100, dtype=bool),
        filling=0.5,
        type_fractions=(0.1, 0.2, 0.3, 0.4),
    )


@pytest.fixture(scope="module")
def judged(make_model, make_truth, network, recording, change, tmp_path_factory):
    checkpoint = tmp_path_factory.mktemp("fit") / "checkpoint_00000007.pt"
    plain = AssemblyGNN(100, generator=torch.Generator().manual_seed(0))
    save_checkpoint(checkpoint, plain, step=7, provenance={})
    return analyse(
        recording,
        make_truth(),
        make_model(scale=-0.4, offset=0.3),
        CONFIG,
        target_kind="drift",
        validation_fraction=0.2,
        true_drift=network.torch_rate(),
        true_factory=network.torch_rate,
        changes={"half": change},
        checkpoints=[checkpoint],
    )


def test_an_exact_model_has_perfect_scores(judged) -> None:
    value = {name: metric["value"] for name, metric in judged[1].items()}
    for name in (
        "weights_r2", "weights_pearson2", "weights_slope", "weights_r2_identifiable",
        "type_accuracy", "type_ari", "type_nmi", "time_constant_r2", "one_step_r2",
        "rollout_r2_100", "rollout_r2_300", "changed_half_learned_r2_100",
        "changed_half_learned_r2_300", "changed_half_published_r2_100",
    ):  # fmt: skip
        assert value[name] == pytest.approx(1, abs=1e-4), name
    assert value["n_clusters"] == 4
    for name in ("update_error", "transfer_error", "rollout_r2_100_spread"):
        assert value[name] == pytest.approx(0, abs=1e-4), name
    # The published correction does not know of offsets: psi is 0.3 - 0.4 on its plateau, not 0.4.
    assert value["weights_slope_published_correction"] == pytest.approx(0.25, abs=1e-3)
    assert 0.3 < value["lyapunov_exponent"] < 2
    assert value["horizon_frames"] > 1000
    assert 2 < value["effective_rank"] < 100
    assert judged[1]["weights_r2"]["ceiling"] == pytest.approx(1, abs=1e-4)
    assert "one_step_drift_r2" not in value


def test_every_dataset_survives_the_disk(judged, tmp_path) -> None:
    assert sorted(judged[0]) == [
        "changed_half", "embedding", "functions", "graph", "identifiability", "montage",
        "rollout", "spectrum", "symbolic", "weights",
    ]  # fmt: skip
    for name, dataset in judged[0].items():
        save_dataset(dataset, tmp_path / f"{name}.zarr")
        loaded = open_dataset(tmp_path / f"{name}.zarr").load()
        assert dict(loaded.sizes) == dict(dataset.sizes)
        for variable in dataset.data_vars:
            np.testing.assert_array_equal(loaded[variable], dataset[variable])
            assert {"long_name", "units"} <= set(loaded[variable].attrs), variable


def test_changed_networks_are_labelled_by_variant(judged, change, network) -> None:
    dataset = judged[0]["changed_half"]
    assert np.isfinite(dataset.attrs["lyapunov"])
    assert dataset.attrs["horizon_frames"] > 0
    assert dataset["variant"].values.tolist() == ["learned", "published"]
    assert dataset["learned"].dims == ("variant", "start", "frame", "neuron")
    np.testing.assert_allclose(
        dataset["weight"].sel(variant="learned"), network.weight * change.kept, rtol=1e-6
    )
    np.testing.assert_allclose(
        dataset["weight"].sel(variant="published"), change.new_weight, rtol=1e-6
    )
    assert dataset.attrs["filling"] == 0.5
    assert list(dataset.attrs["type_fractions"]) == [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_array_equal(dataset["type"], change.types)


def test_a_recording_without_truth_is_compared_with_itself(make_model, recording) -> None:
    datasets, metrics = analyse(
        recording,
        None,
        make_model(offset=0.3),
        CONFIG,
        target_kind="finite_difference",
        validation_fraction=0.2,
    )
    assert metrics["rollout_r2_100"]["value"] == pytest.approx(1, abs=1e-4)
    assert datasets["rollout"].attrs["compared_with"] == "recording"
    assert metrics["n_clusters"]["value"] == 4
    assert 0.3 < metrics["lyapunov_exponent"]["value"] < 2
    assert {"one_step_drift_r2", "one_step_r2"} <= set(metrics)
    absent = {"weights_r2", "type_accuracy", "update_error", "time_constant_r2"}
    assert not absent & set(metrics)
    assert "true_weight" not in datasets["weights"]


def test_a_poor_model_is_judged_without_a_warning(make_truth, network, recording) -> None:
    model = AssemblyGNN(100, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.weight *= 100  # diverges
    _, metrics = analyse(
        recording,
        make_truth(),
        model,
        CONFIG,
        target_kind="drift",
        validation_fraction=0.2,
        true_drift=network.torch_rate(),
    )
    assert metrics["weights_r2"]["value"] < 0
    assert metrics["type_accuracy"]["value"] < 0.5


def test_short_held_out_stretches_shorten_rollouts(make_model, recording, caplog) -> None:
    datasets, metrics = analyse(
        recording, None, make_model(), CONFIG, target_kind="drift", validation_fraction=0.025
    )
    assert datasets["rollout"].sizes["frame"] == 150
    assert "rollout_r2_300" not in metrics
    assert "149 instead of 300" in caplog.text


def test_a_model_of_another_size_is_refused(recording) -> None:
    with pytest.raises(ValueError, match="recording 100, model 3"):
        analyse(
            recording,
            None,
            AssemblyGNN(3),
            CONFIG,
            target_kind="drift",
            validation_fraction=0.2,
        )
