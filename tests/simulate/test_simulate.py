import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config import SimulationConfig
from neuralgnn.data import open_recording, open_truth, target
from neuralgnn.data.store import stored_content
from neuralgnn.simulate import RateEquation, run, simulate
from neuralgnn.steps.simulate import simulate_step


def record(config: SimulationConfig, path: Path, *, seed: int = 0, **options):
    simulate(config, path, seed=seed, progress=False, **options)
    return open_recording(path)


@pytest.mark.parametrize("kind", ["shared", "sender", "pair"])
def test_truth_gives_the_drift_that_was_stored(tmp_path: Path, assembly, kind: str) -> None:
    recording = record(assembly(transfer=kind), tmp_path / "a.zarr")
    truth = open_truth(tmp_path / "a.zarr")
    assert truth is not None
    equation = RateEquation.from_truth(truth)

    drift = torch.stack([equation(x) for x in torch.from_numpy(recording.activity())])

    np.testing.assert_array_equal(drift.numpy(), recording.drift())


def test_finite_difference_without_noise_is_the_drift(tmp_path: Path, assembly) -> None:
    recording = record(assembly(), tmp_path / "a.zarr")
    rounding = np.abs(recording.activity()).max() * 2**-23 / recording.dt

    found = target(recording, range(199), kind="finite_difference")

    np.testing.assert_allclose(found, recording.drift(slice(0, 199)), rtol=1e-6, atol=rounding)


@pytest.mark.parametrize("kind", ["per_step", "sde"])
def test_noise_is_what_the_drift_leaves_over(tmp_path: Path, assembly, kind: str) -> None:
    noise = {"kind": kind, "std": 0.7}
    recording = record(assembly(noise=noise, n_frames=2000), tmp_path / "a.zarr")
    x = recording.activity()

    steps = np.diff(x, axis=0) - recording.dt * recording.drift()[:-1]

    expected = 0.7 if kind == "per_step" else 0.7 * 0.01**0.5
    assert steps.std() == pytest.approx(expected, rel=0.01)
    assert np.abs(steps.mean(axis=0)).max() < 5 * expected / 2000**0.5
    neighbours = np.corrcoef(steps.T) - np.eye(22)
    assert np.abs(neighbours).max() < 5 / 2000**0.5


def test_burn_in_is_what_comes_before_the_first_frame(tmp_path: Path, assembly) -> None:
    noise = {"kind": "per_step", "std": 0.5}
    late = record(assembly(noise=noise, burn_in=120), tmp_path / "late.zarr")
    whole = record(assembly(noise=noise, burn_in=0, n_frames=320), tmp_path / "whole.zarr")

    np.testing.assert_array_equal(late.activity(), whole.activity(slice(120, None)))


def test_initial_activity_has_the_stated_deviation(tmp_path: Path, assembly) -> None:
    config = assembly(n_neurons=900, n_frames=10, burn_in=0, initial_std=5.0)
    x = record(config, tmp_path / "a.zarr").activity(slice(0, 1))

    assert x.std() == pytest.approx(5, rel=0.1)


def test_same_configuration_and_seed_give_the_same_bytes(tmp_path: Path, assembly) -> None:
    config = assembly(noise={"kind": "sde", "std": 0.5})
    for name in "ab":
        record(config, tmp_path / name)

    assert stored_content(tmp_path / "a") == stored_content(tmp_path / "b")


def test_seed_sets_weights_start_and_noise_apart(tmp_path: Path, assembly) -> None:
    a = record(assembly(burn_in=0), tmp_path / "a", seed=1)
    b = record(assembly(burn_in=0), tmp_path / "b", seed=2)
    noisy = record(assembly(burn_in=0, noise={"kind": "sde", "std": 1.0}), tmp_path / "c", seed=1)

    assert a.digest != b.digest
    assert not np.allclose(a.activity(slice(0, 1)), b.activity(slice(0, 1)))
    # Noise has a generator of its own: with and without, the start is the same.
    np.testing.assert_array_equal(noisy.activity(slice(0, 1)), a.activity(slice(0, 1)))


def test_length_of_shards_does_not_change_the_activity(tmp_path: Path, assembly) -> None:
    config = assembly(noise={"kind": "sde", "std": 0.5})
    whole = record(config, tmp_path / "a")
    parts = record(config, tmp_path / "b", shard_frames=24)

    np.testing.assert_array_equal(parts.activity(), whole.activity())
    assert len(list((tmp_path / "b/activity/c").iterdir())) == 9


def test_drift_is_stored_only_where_asked_for(tmp_path: Path, assembly) -> None:
    assert not record(assembly(record_drift=False), tmp_path / "a.zarr").has_drift


def test_store_tells_seed_and_configuration(tmp_path: Path, assembly) -> None:
    config = assembly()
    attrs = record(config, tmp_path / "a.zarr", seed=5).attrs

    assert attrs["seed"] == 5
    assert SimulationConfig.model_validate(attrs["provenance"]["config"]) == config
    assert "created" not in attrs["provenance"]


def test_activity_of_the_published_assembly_has_its_deviation(tmp_path: Path) -> None:
    """Figure 2 of Allier et al. 2026: standard deviation 7.5, by type 9.0, 9.7, 4.8, 5.2."""
    rows = [{"decay": c, "self_coupling": s} for c, s in [(1, 1), (1, 2), (2, 1), (2, 2)]]
    config = SimulationConfig.model_validate(
        {
            "n_neurons": 1000,
            "n_frames": 4000,
            "neuron_types": rows,
            "connectivity": {"kind": "cauchy"},
        }
    )
    x = record(config, tmp_path / "a.zarr", seed=42).activity(slice(None, None, 20))

    assert x.std() == pytest.approx(7.5, rel=0.07)
    by_type = x.reshape(len(x), 4, 250).std(axis=(0, 2))
    np.testing.assert_allclose(by_type, [8.97, 9.72, 4.78, 5.20], rtol=0.12)


# Interruption

KILLED = """
import os, signal, sys, torch
from neuralgnn.config import SimulationConfig
from neuralgnn.data.writer import RecordingWriter
from neuralgnn.simulate import simulate
from neuralgnn.steps.simulate import simulate_step

config, path, method, call, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
calls = 0
original = getattr(RecordingWriter, method)

def killed(self, *args, **kwargs):
    global calls
    calls += 1
    if calls == int(call):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *args, **kwargs)

setattr(RecordingWriter, method, killed)
simulate(SimulationConfig.model_validate_json(config), path, seed=0, shard_frames=16)
"""


@pytest.mark.parametrize(
    ("method", "call", "n_kept"),
    [("append", 1, 0), ("append", 6, 80), ("_save_state", 6, 80), ("close", 1, 200)],
)
def test_killed_run_ends_in_the_same_bytes(
    tmp_path: Path, assembly, method: str, call: int, n_kept: int
) -> None:
    """SIGKILL before a shard, between a shard and its state, and before the store is closed."""
    config = assembly(noise={"kind": "sde", "std": 0.5})
    record(config, tmp_path / "whole.zarr", shard_frames=16)
    path = tmp_path / "a.zarr"
    arguments = [config.model_dump_json(), path, method, call, torch.get_num_threads()]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env=os.environ | {"PYTHONWARNINGS": ""},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert not path.exists()
    if n_kept:
        assert int(np.load(f"{path}.partial.npz")["_frame"]) == n_kept

    record(config, path, shard_frames=16)

    assert stored_content(path) == stored_content(tmp_path / "whole.zarr")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zarr", "whole.zarr"]


def test_finished_shards_are_not_computed_again(tmp_path, assembly, monkeypatch) -> None:
    config = assembly()
    frames = []
    original = run.euler_maruyama

    def interrupted(*args, first_frame, **kwargs):
        if first_frame == 64 and first_frame not in frames:
            frames.append(first_frame)
            raise KeyboardInterrupt
        frames.append(first_frame)
        return original(*args, first_frame=first_frame, **kwargs)

    monkeypatch.setattr(run, "euler_maruyama", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record(config, tmp_path / "a.zarr", shard_frames=32)
    record(config, tmp_path / "a.zarr", shard_frames=32)

    assert frames == [-30, 0, 32, 64, 64, 96, 128, 160, 192]


def test_changed_connectivity_file_starts_anew(tmp_path, assembly, monkeypatch) -> None:
    """The configuration is the same, but what it names is not."""
    path = tmp_path / "w.npy"
    config = assembly(connectivity={"kind": "file", "path": str(path)})
    np.save(path, np.random.default_rng(0).standard_normal((22, 22)).astype(np.float32) / 5)
    monkeypatch.setattr(run.RecordingWriter, "close", lambda *_: None)
    simulate(config, tmp_path / "a.zarr", seed=0, progress=False)
    monkeypatch.undo()
    np.save(path, np.zeros((22, 22), np.float32))

    record(config, tmp_path / "a.zarr")

    truth = open_truth(tmp_path / "a.zarr")
    assert truth is not None
    assert not truth["weight"].any()
    equation = RateEquation.from_truth(truth)
    x = torch.from_numpy(open_recording(tmp_path / "a.zarr").activity(slice(0, 2)))
    torch.testing.assert_close(x[0] + 0.01 * equation(x[0]), x[1])


# Refusals, before any work


def test_divergence_stops_the_run_and_leaves_no_store(tmp_path: Path, assembly) -> None:
    config = assembly(function="relu", connectivity={"kind": "gaussian", "scale": 50.0})

    with pytest.raises(FloatingPointError, match=r"diverged at frame -?\d+ \(t = "):
        record(config, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def test_missing_connectivity_file_is_refused(tmp_path: Path, assembly) -> None:
    config = assembly(connectivity={"kind": "file", "path": str(tmp_path / "w.npy")})

    with pytest.raises(FileNotFoundError, match="does not exist"):
        record(config, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_recording_larger_than_the_disk_is_refused(tmp_path, assembly, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40, 2**30))

    with pytest.raises(OSError, match=r"only 1\.00 GiB free; record fewer frames"):
        record(assembly(n_frames=10**8), tmp_path / "a.zarr")


def test_weights_larger_than_memory_are_refused(tmp_path: Path, assembly) -> None:
    with pytest.raises(MemoryError, match=r"10000000 x 10000000 weights need 745058\.06 GiB"):
        record(assembly(n_neurons=10**7), tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_first_frames_agree_on_the_gpu(tmp_path: Path, assembly) -> None:
    config = assembly(noise={"kind": "sde", "std": 0.5}, burn_in=0)
    cpu = record(config, tmp_path / "cpu.zarr")
    gpu = record(config, tmp_path / "gpu.zarr", device="cuda")

    np.testing.assert_allclose(
        gpu.activity(slice(0, 50)), cpu.activity(slice(0, 50)), rtol=1e-3, atol=1e-3
    )


def test_settings_say_where_to_simulate(
    tmp_path: Path, assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(ValueError, match="finds no CUDA device; use 'auto' or 'cpu'"):
        simulate_step(assembly(device="cuda"), tmp_path / "gpu.zarr", seed=0)
    simulate_step(assembly(device="auto", n_frames=20), tmp_path / "cpu.zarr", seed=0)
    assert (tmp_path / "cpu.zarr" / "zarr.json").is_file()
