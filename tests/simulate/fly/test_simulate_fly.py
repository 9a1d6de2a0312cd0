"""Recordings of the fly: against a dense reference, noise, parts, resuming, refusals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config import FlyConfig
from neuralgnn.config.fly import CHECKPOINT_VARIABLE
from neuralgnn.data import Graph, Recording, open_recording, open_truth, target
from neuralgnn.data.store import stored_content
from neuralgnn.simulate.fly import Connectome, FlyEquation, equation, simulate_fly


def record(config: FlyConfig, path: Path, *, seed: int = 0, **options) -> Recording:
    simulate_fly(config, path, seed=seed, progress=False, **options)
    return open_recording(path)


def dense(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W as simulated, tau and V, from the truth, in double precision."""
    truth = open_truth(recording.path)
    assert truth is not None and recording.graph is not None
    if "simulated_weight" in truth:
        pre, post = truth["simulated_pre"].values, truth["simulated_post"].values
        values = truth["simulated_weight"].values
    else:
        pre, post, values = recording.graph.pre, recording.graph.post, truth["weight"].values
    weight = np.zeros((recording.n_neurons, recording.n_neurons))
    weight[post, pre] = values
    tau, rest = truth["time_constant"].values, truth["resting_potential"].values
    return weight, tau.astype(np.float64), rest.astype(np.float64)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"kind": "sampled"}},
        {"parameters": {"kind": "default"}, "dt": 0.005},
        {"parameters": {"kind": "sampled"}, "time_constants": "at_least_dt", "dt": 0.1},
    ],
    ids=["sampled", "default", "raised"],
)
def test_every_step_agrees_with_a_dense_reference(
    tmp_path: Path, fly, changes: dict[str, object]
) -> None:
    """Free-running from the grey steady state: 90 steps without correction."""
    recording = record(fly(**changes), tmp_path / "a.zarr")
    weight, tau, rest = dense(recording)
    light = recording.external_input()
    assert light is not None
    v, dt, slow = rest.copy(), recording.dt, np.maximum(tau, recording.dt)
    for _ in range(round(2 / dt)):
        v += dt / slow * (-v + rest + weight @ np.maximum(v, 0) + 0.5 * (light[0] > 0))

    expected, drift = np.empty((2, recording.n_frames, recording.n_neurons))
    for frame in range(recording.n_frames):
        expected[frame] = v
        drift[frame] = (-v + rest + weight @ np.maximum(v, 0) + light[frame]) / tau
        v = v + dt * drift[frame]

    np.testing.assert_allclose(recording.activity(), expected, atol=1e-5)
    np.testing.assert_allclose(recording.drift(), drift, atol=1e-4)


@pytest.mark.parametrize(
    "perturbation",
    [
        {"kind": "null_edges", "ratio": 1},
        {"kind": "edge_removal", "fraction": 0.2},
        {"kind": "edge_removal", "fraction": 0.2, "removed_from": "model_and_simulation"},
        {"kind": "ablation"},
    ],
    ids=["null", "removal", "removal-as-published", "ablation"],
)
def test_the_truth_gives_the_stored_drift_under_every_perturbation(
    tmp_path: Path, fly, perturbation: dict[str, object]
) -> None:
    recording = record(fly(perturbation=perturbation), tmp_path / "a.zarr")
    weight, tau, rest = dense(recording)
    light, v = recording.external_input(), recording.activity().astype(np.float64)
    assert light is not None

    drift = (-v + rest + np.maximum(v, 0) @ weight.T + light) / tau

    np.testing.assert_allclose(recording.drift(), drift, atol=1e-4)


def test_silent_edges_are_those_of_a_test_recording_of_the_same_network(
    tmp_path: Path, fly
) -> None:
    whole = record(fly(), tmp_path / "test.zarr", test=True)
    half = record(fly(), tmp_path / "ablated.zarr", test=True, ablation=0.5)
    before, after = (open_truth(each.path) for each in (whole, half))
    assert before is not None and after is not None and half.graph is not None
    silent = after["is_ablated_edge"].values
    weight, tau, rest = dense(half)
    light, v = half.external_input(), half.activity().astype(np.float64)
    assert light is not None

    assert 0.49 < silent.mean() < 0.51
    np.testing.assert_array_equal(after["weight"], np.where(silent, 0, before["weight"]))
    np.testing.assert_array_equal(whole.external_input(), light)
    drift = (-v + rest + np.maximum(v, 0) @ weight.T + light) / tau
    np.testing.assert_allclose(half.drift(), drift, atol=1e-4)
    with pytest.raises(ValueError, match=r"ablation = 0\.5 is for a test recording"):
        record(fly(), tmp_path / "no.zarr", ablation=0.5)


def test_what_a_model_is_given_does_not_tell_real_edges_from_null_ones(
    tmp_path: Path, fly
) -> None:
    config = fly(perturbation={"kind": "null_edges", "ratio": 1})
    recording = record(config, tmp_path / "a.zarr")
    truth = open_truth(recording.path)
    assert recording.graph is not None and truth is not None
    null = truth["is_null_edge"].values

    assert recording.graph.n_edges == len(null)
    assert 0.4 < null.mean() < 0.6
    assert not truth["weight"].values[null].any()
    assert set(recording.graph.to_dataset().variables) == {"pre", "post", "u", "v"}


def test_types_are_numbered_alphabetically(tmp_path: Path, fly) -> None:
    recording = record(fly(), tmp_path / "a.zarr")
    truth = open_truth(recording.path)
    assert truth is not None
    names = truth["cell_type"].values.tolist()

    assert names == sorted(names) and len(names) == 65
    assert [names[number] for number in truth["type"].values[[0, 7, -1]]] == ["R1", "R2", "TmY18"]
    stimulation = recording.stimulation
    assert stimulation is not None
    lit = np.array(names)[truth["type"].values[stimulation.input_neuron]]
    assert set(lit) == {f"R{number}" for number in range(1, 9)}
    np.testing.assert_array_equal(stimulation.input_channel, np.tile(np.arange(7), 8))


@pytest.mark.parametrize("kind", ["per_step", "sde"])
def test_noise_is_what_the_drift_leaves_over(tmp_path: Path, fly, kind: str) -> None:
    recording = record(fly(noise={"kind": kind, "std": 0.5}), tmp_path / "a.zarr")

    steps = target(recording, range(89), kind="finite_difference") - recording.drift(range(89))

    expected = 0.5 if kind == "per_step" else 0.5 * 0.02**0.5
    assert (0.02 * steps).std() == pytest.approx(expected, rel=0.02)
    assert abs((0.02 * steps).mean()) < 5 * expected / steps.size**0.5


@pytest.mark.parametrize("drift", ["as_published", "clean"])
def test_measurement_noise_is_on_what_is_recorded_only(tmp_path: Path, fly, drift: str) -> None:
    clean = record(fly(), tmp_path / "clean.zarr")
    measurement = {"kind": "gaussian", "std": 0.1, "drift": drift}
    noisy = record(fly(measurement=measurement), tmp_path / "noisy.zarr", shard_frames=32)
    added = noisy.activity().astype(np.float64) - clean.activity()

    assert added.std() == pytest.approx(0.1, rel=0.02)
    expected = np.diff(added, axis=0) / 0.02 if drift == "as_published" else np.zeros(89)[:, None]
    found = noisy.drift().astype(np.float64) - clean.drift()
    np.testing.assert_allclose(found[:-1], np.broadcast_to(expected, found[:-1].shape), atol=1e-3)
    np.testing.assert_array_equal(found[-1], 0)


def test_the_test_part_is_noise_free_and_shows_something_else(tmp_path: Path, fly) -> None:
    config = fly(
        noise={"kind": "per_step", "std": 0.5}, measurement={"kind": "gaussian", "std": 0.1}
    )
    train = record(config, tmp_path / "activity.zarr")
    test = record(config, tmp_path / "test.zarr", test=True)
    rounding = np.abs(test.activity()).max() * 2**-22 / test.dt

    assert (train.n_frames, test.n_frames) == (90, 30)
    np.testing.assert_allclose(
        target(test, range(29), kind="finite_difference"), test.drift(range(29)), atol=rounding
    )
    shown = [recording.stimulus() for recording in (train, test)]
    assert shown[0] is not None and shown[1] is not None
    assert not np.array_equal(shown[0][:30], shown[1])
    for recording in (train, test):  # the same network
        np.testing.assert_array_equal(dense(recording)[0], dense(train)[0])


def test_a_scattered_start_has_its_spread_and_leaves_everything_else_as_it_was(
    tmp_path: Path, fly
) -> None:
    settled = record(fly(), tmp_path / "settled.zarr")
    state = {"kind": "scattered", "std": 0.7}
    train = record(fly(initial_state=state), tmp_path / "train.zarr")
    test = record(fly(initial_state=state), tmp_path / "test.zarr", test=True)
    weight, tau, rest = dense(train)
    first = [recording.activity(range(1))[0] - rest for recording in (train, test)]

    for deviate in first:
        assert deviate.std() == pytest.approx(0.7, rel=0.1)
        assert abs(deviate.mean()) < 5 * 0.7 / len(deviate) ** 0.5
    assert abs(np.corrcoef(*first)[0, 1]) < 0.2
    np.testing.assert_array_equal(weight, dense(settled)[0])
    np.testing.assert_array_equal(train.stimulus(), settled.stimulus())
    light = train.external_input()
    assert light is not None
    v = first[0] + rest
    expected = (-v + rest + weight @ np.maximum(v, 0) + light[0]) / tau
    np.testing.assert_allclose(train.drift()[0], expected, rtol=1e-4, atol=1e-3)


def test_same_settings_and_seed_give_the_same_bytes_and_another_seed_others(
    tmp_path: Path, fly
) -> None:
    config = fly(noise={"kind": "per_step", "std": 0.1})
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        record(config, tmp_path / name, seed=seed)

    assert stored_content(tmp_path / "a") == stored_content(tmp_path / "b")
    assert open_recording(tmp_path / "a").digest != open_recording(tmp_path / "c").digest


KILLED = """
import os, signal, sys
from neuralgnn.config import FlyConfig
from neuralgnn.data.writer import RecordingWriter
from neuralgnn.simulate.fly import simulate_fly

config, path = sys.argv[1:]
calls, original = 0, RecordingWriter.append

def killed(self, *args, **kwargs):
    global calls
    calls += 1
    if calls == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *args, **kwargs)

RecordingWriter.append = killed
simulate_fly(FlyConfig.model_validate_json(config), path, seed=0, shard_frames=16)
"""


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, fly) -> None:
    config = fly(
        noise={"kind": "per_step", "std": 0.1}, measurement={"kind": "gaussian", "std": 0.1}
    )
    record(config, tmp_path / "whole.zarr", shard_frames=16)
    path = tmp_path / "a.zarr"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, config.model_dump_json(), str(path)],
        env=os.environ | {"PYTHONWARNINGS": ""},
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert int(np.load(f"{path}.partial.npz")["_frame"]) == 48

    record(config, path, shard_frames=16)

    assert stored_content(path) == stored_content(tmp_path / "whole.zarr")


def test_a_step_that_is_too_long_is_refused(tmp_path: Path, fly) -> None:
    config = fly(parameters={"kind": "default"}, dt=0.11)

    with pytest.raises(
        ValueError, match=r"dt = 0\.11 s is unstable .* constant, 0\.05 s: take dt"
    ):
        record(config, tmp_path / "a.zarr")


def test_a_missing_checkpoint_leaves_no_store(
    tmp_path: Path, fly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHECKPOINT_VARIABLE, raising=False)

    with pytest.raises(FileNotFoundError, match="or choose kind 'sampled'"):
        record(fly(parameters={"kind": "pretrained"}), tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_natural_movies_drive_nearly_all_senders_of_the_trained_network(
    tmp_path: Path, fly, checkpoint: Path
) -> None:
    """What never fires leaves no trace; L1, L2 and Am do not under any luminance."""
    config = fly(
        extent=2,
        n_frames=1500,
        parameters={"kind": "pretrained", "path": str(checkpoint)},
        stimulus={"kind": "naturalistic"},
        record_drift=False,
    )
    recording = record(config, tmp_path / "a.zarr")
    truth = open_truth(recording.path)
    assert truth is not None and recording.graph is not None
    highest = recording.activity().max(axis=0)
    names = truth["cell_type"].values[truth["type"].values]

    silent = {name for name in set(names) if highest[names == name].max() <= 0}
    assert silent <= {"L1", "L2", "Am", "Lawf1"}
    assert (highest[recording.graph.pre] > 0).mean() > 0.93


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="PyTorch multiplies with MKL")
def test_the_product_of_a_gpu_is_that_of_the_processor(eye: Connectome) -> None:
    """The sparse tensor that a GPU multiplies with, here in memory."""
    random = np.random.default_rng(0)
    graph = Graph(pre=eye.pre, post=eye.post, n_neurons=eye.n_cells)
    weight = graph.matrix(random.standard_normal(len(eye.pre)).astype(np.float32))
    sent = torch.from_numpy(random.standard_normal(eye.n_cells).astype(np.float32))
    constants = {"time_constant": torch.ones(eye.n_cells), "resting_potential": sent}
    here = FlyEquation(weight=weight, **constants)
    placed = FlyEquation(weight=weight, placed=equation._sparse_tensor(weight), **constants)

    expected = weight.toarray().astype(np.float64) @ sent.double().numpy()

    for one in (here, placed):
        np.testing.assert_allclose(one.message(sent).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_recording_made_on_the_gpu_is_that_of_the_cpu(tmp_path: Path, fly) -> None:
    config = fly(noise={"kind": "per_step", "std": 0.1}, n_frames=150)
    cpu, gpu = (record(config, tmp_path / d, device=d) for d in ("cpu", "cuda"))

    np.testing.assert_allclose(gpu.activity(), cpu.activity(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gpu.drift(), cpu.drift(), rtol=1e-2, atol=1e-2)
