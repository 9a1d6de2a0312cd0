import math

import numpy as np
import pytest
import torch

from neuralgnn.config import SimulationConfig
from neuralgnn.data import open_recording, open_truth
from neuralgnn.simulate import simulate
from neuralgnn.simulate.rate import RateEquation
from neuralgnn.simulate.stimulus import DrivenEquation, Stimulus

MOVIE = {"kind": "synthetic", "n_frames": 21, "frame_difference": 0.1}


@pytest.fixture
def driven(assembly):
    """Makes a driven assembly of 22 neurons, 2 x 3 of them before a movie of 21 frames."""

    def make(**changes) -> SimulationConfig:
        external = {"kind": "movie", "shape": [2, 3], "first_neuron": 1, "source": MOVIE}
        return assembly(external_input=external | changes.pop("external", {}), **changes)

    return make


def test_frames_of_the_movie_follow_the_published_rule() -> None:
    stimulus = Stimulus(
        movie=np.zeros((257, 1, 1), dtype=np.float32),
        neurons=np.zeros((1, 1), dtype=np.int64),
        n_neurons=1,
        n_frames=50_000,
        mode="multiplicative",
        burn_in="zero",
    )
    frames = np.arange(50_000)

    expected = [math.floor(frame / 50_000 * 256) for frame in frames]

    np.testing.assert_array_equal(stimulus.movie_frame(frames), expected)


@pytest.mark.parametrize("mode", ["multiplicative", "additive"])
def test_drift_is_that_of_the_equation_with_the_movie_in_it(mode, driven, tmp_path) -> None:
    config = driven(external={"mode": mode}, transfer="sender")
    simulate(config, tmp_path / "a.zarr", seed=3, progress=False)
    recording, truth = open_recording(tmp_path / "a.zarr"), open_truth(tmp_path / "a.zarr")
    assert truth is not None
    movie, t = truth["movie"].values, np.arange(200)
    omega = np.full((200, 22), 1.0 if mode == "multiplicative" else 0.0)
    omega[:, 1:7] = movie[t * 20 // 200].reshape(200, 6)
    equation = RateEquation.from_truth(truth).to(dtype=torch.float64)
    x = torch.from_numpy(recording.activity()).double()
    message = (equation.gain * equation.message(x)).numpy()
    inflow = omega * message if mode == "multiplicative" else omega + message

    expected = equation.update(x).numpy() + inflow

    np.testing.assert_allclose(recording.drift(), expected, atol=2e-5)


def test_true_equation_of_a_recording_gives_its_drift(driven, tmp_path) -> None:
    simulate(driven(), tmp_path / "a.zarr", seed=3, progress=False)
    recording, truth = open_recording(tmp_path / "a.zarr"), open_truth(tmp_path / "a.zarr")
    assert truth is not None
    stimulus = Stimulus.from_truth(truth)
    assert stimulus is not None
    frames = np.array([0, 57, 58, 199, 3])

    equation = DrivenEquation(RateEquation.from_truth(truth), stimulus)

    rate = equation(torch.from_numpy(recording.activity(frames)), frames)
    np.testing.assert_allclose(rate.numpy(), recording.drift(frames), atol=2e-5)


def test_burn_in_without_input_leaves_neurons_uncoupled(driven, tmp_path) -> None:
    """Frame 0 is then what each neuron makes of its own initial activity."""
    config = driven(noise={"kind": "none"})
    simulate(config, tmp_path / "a.zarr", seed=3, progress=False)
    uncoupled = config.model_copy(
        update={
            "external_input": type(config).model_fields["external_input"].default,
            "neuron_types": tuple(
                row.model_copy(update={"gain": 0.0}) for row in config.neuron_types
            ),
        }
    )
    simulate(uncoupled, tmp_path / "b.zarr", seed=3, progress=False)

    first, alone = (open_recording(tmp_path / f"{name}.zarr").activity([0]) for name in "ab")

    np.testing.assert_array_equal(first, alone)


def test_killed_driven_run_ends_in_the_same_bytes(driven, tmp_path, monkeypatch) -> None:
    config = driven(noise={"kind": "per_step", "std": 0.3})
    simulate(config, tmp_path / "whole.zarr", seed=3, shard_frames=37, progress=False)
    from neuralgnn.simulate import run

    calls = []
    plain = run.RecordingWriter.append

    def killed(self, *arguments, **keywords):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, *arguments, **keywords)

    monkeypatch.setattr(run.RecordingWriter, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        simulate(config, tmp_path / "killed.zarr", seed=3, shard_frames=37, progress=False)
    monkeypatch.setattr(run.RecordingWriter, "append", plain)
    simulate(config, tmp_path / "killed.zarr", seed=3, shard_frames=37, progress=False)

    whole, resumed = (open_recording(tmp_path / f"{name}.zarr") for name in ("whole", "killed"))
    assert whole.digest == resumed.digest


def test_movie_larger_than_the_assembly_is_refused_with_the_numbers(driven) -> None:
    with pytest.raises(ValueError, match=r"5 x 5 = 25 neurons .* only n_neurons = 22"):
        driven(external={"shape": [5, 5], "first_neuron": 0})
