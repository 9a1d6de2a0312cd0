import csv
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, read_json, recording_from_array
from neuralgnn.models import AssemblyGNN, load_model
from neuralgnn.train import select, train
from neuralgnn.train.descent import Descent
from neuralgnn.train.terms import PenaltyCoefficients, Terms

Config = Callable[..., FitConfig]


def last_model(out: Path) -> AssemblyGNN:
    listed = read_json(out / "training.json")["checkpoints"]
    return load_model(out / listed[-1]["file"])[0]


def checkpoint_bytes(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(out.glob("checkpoint_*.pt"))}


def effective_weight(model: AssemblyGNN) -> np.ndarray:
    """Weights in the gauge of a psi that spans what tanh spans."""
    grid = torch.linspace(-3, 3, 201)
    with torch.no_grad():
        psi = model.transfer_curves(grid)[0].double().numpy()
        weight = model.connectivity().double().numpy()
    slope, _ = np.polyfit(np.tanh(grid.numpy()), psi, 1)
    return weight * slope


@pytest.mark.slow
@pytest.mark.parametrize(("target", "least"), [("drift", 0.95), ("finite_difference", 0.9)])
def test_weights_of_a_small_assembly_are_recovered(
    recording: Recording,
    assembly: Any,
    sgd_config: Config,
    folders: dict[str, Path],
    target: str,
    least: float,
) -> None:
    config = sgd_config(
        target=target,
        n_steps=1200,
        batch_size=256,
        lr_weight=3e-2,
        lr_functions=1e-2,
        lr_embedding=1e-2,
        decay_from=0.0,
        checkpoint_every=400,
    )

    train(recording, config, **folders, seed=0, progress=False)

    found, true = effective_weight(last_model(folders["out"])), assembly.weight
    off = ~np.eye(len(true), dtype=bool)
    residual = ((found - true)[off] ** 2).sum() / ((true[off] - true[off].mean()) ** 2).sum()
    assert 1 - residual > least
    chosen = select(recording, folders["out"], target_kind=target, validation_fraction=0.1)
    assert chosen["step"] == 1200


def test_everything_a_fit_promises_is_written(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    train(recording, sgd_config(weight_l1=1e-4), **folders, seed=3, progress=False)

    out = folders["out"]
    training = read_json(out / "training.json")
    assert training["trainer"], training["target"] == ("sgd", "drift")
    assert [entry["step"] for entry in training["checkpoints"]] == [20, 40, 60]
    assert all((out / entry["file"]).is_file() for entry in training["checkpoints"])
    assert training["seconds"] > 0 and training["peak_mib"] > 10
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [20, 40, 60]
    assert set(rows[0]) == {"step", "rmse", "phi_zero", "weight_l1", "rate"}
    assert float(rows[-1]["rmse"]) < float(rows[0]["rmse"])
    assert any((out / "tensorboard").iterdir())
    assert not folders["state"].exists()


def test_same_seed_gives_the_same_bytes_and_another_does_not(
    recording: Recording, sgd_config: Config, tmp_path: Path
) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        train(recording, sgd_config(), out=tmp_path / name, state=tmp_path / "s", seed=seed)

    one, same, other = (checkpoint_bytes(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert one != other


def test_diagonal_stays_zero(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    train(recording, sgd_config(), **folders, seed=0)

    assert (last_model(folders["out"]).weight.diagonal() == 0).all()


def test_fixed_embedding_stays_fixed_and_is_not_clustered(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    config = sgd_config(model={"embedding": "fixed"}, cluster_at=[0.5])

    train(recording, config, **folders, seed=0)

    assert (last_model(folders["out"]).embedding == 1).all()


def test_latent_vectors_and_psi_rest_after_a_clustering(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    """Clustering after 30 of 60 steps, then six steps of rest: a checkpoint at 36."""
    config = sgd_config(cluster_at=[0.5], checkpoint_every=6)

    train(recording, config, **folders, seed=0)

    models = {
        step: load_model(folders["out"] / f"checkpoint_{step:08d}.pt")[0] for step in (30, 36, 42)
    }
    psi = {step: model.transfer.layers[0].weight for step, model in models.items()}
    assert len(models[30].embedding.unique(dim=0)) < 20
    assert torch.equal(models[30].embedding, models[36].embedding)
    assert torch.equal(psi[30], psi[36]) and not torch.equal(psi[36], psi[42])
    assert not torch.equal(models[30].weight, models[36].weight)
    assert not torch.equal(models[36].embedding, models[42].embedding)


@pytest.mark.parametrize(
    "variant",
    [
        {"model": {"transfer_input": "sender"}, "psi_monotonic": 1.0},
        {"model": {"transfer_input": "pair", "transfer_terms": 2}, "psi_monotonic": 1.0},
        {"psi_monotonic": 1.0, "phi_zero": 0.0},
        {"batch_size": 200, "target": "finite_difference"},
    ],
    ids=["sender", "pair", "monotonic", "large batch"],
)
def test_every_variant_learns(
    recording: Recording, sgd_config: Config, folders: dict[str, Path], variant: dict
) -> None:
    train(recording, sgd_config(lr_functions=5e-3, **variant), **folders, seed=0)

    with (folders["out"] / "history.csv").open() as file:
        errors = [float(row["rmse"]) for row in csv.DictReader(file)]
    assert errors[-1] < 0.9 * errors[0]


def build_descent(model: AssemblyGNN, batch: tuple[torch.Tensor, torch.Tensor]) -> Descent:
    class Fixed:
        def sample(self, n_frames: int) -> torch.Tensor:
            return batch[0][:n_frames]

        def draw(self, n_frames: int, **_) -> tuple[torch.Tensor, ...]:
            return *batch, torch.arange(n_frames)

    return Descent(
        model,
        Fixed(),  # type: ignore[arg-type]
        n_steps=10,
        batch_size=len(batch[0]),
        lr_weight=1e-3,
        lr_functions=1e-3,
        lr_embedding=1e-3,
        lr_field=1e-3,
        decay_from=1.0,
        penalties=PenaltyCoefficients(phi_zero=1.0),
        cluster_at=(),
        cluster_steps=0,
        generator=torch.Generator(),
        seed=0,
    )


def loss(descent: Descent, x: torch.Tensor, y: torch.Tensor) -> Terms:
    frames = torch.arange(len(x))
    return Terms.of(descent.terms(descent.model, x, y, frames, descent.table, descent.spread))


@pytest.mark.parametrize(
    "field", [None, {"shape": (2, 3), "n_frames": 8, "hidden": 8}], ids=["", "field"]
)
def test_one_step_is_adam_on_the_published_loss(
    generator: torch.Generator, field: dict | None
) -> None:
    """Norm of the stacked residuals plus |phi(a, 0)| once per frame; each first step is lr."""
    model = AssemblyGNN(20, field=field, generator=generator)
    copy = AssemblyGNN(20, field=field)
    copy.load_state_dict(model.state_dict())
    x, y = torch.randn(8, 20, generator=generator), torch.randn(8, 20, generator=generator)
    descent = build_descent(model, (x, y))

    terms = descent.advance()

    loss = (copy(x, frames=torch.arange(8)) - y).norm() + 8 * copy.self_update(
        torch.zeros(1, 20)
    ).norm()
    loss.backward()
    assert float(terms.total.detach()) == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.optim.Adam(copy.parameters(), lr=1e-3).step()
    with torch.no_grad():
        copy.weight.diagonal().zero_()  # rounding errors there become steps
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, copy.state_dict()[name], rtol=1e-4, atol=2e-6)


def test_short_cuts_of_large_batches_change_neither_loss_nor_gradient_of_weights(
    generator: torch.Generator,
) -> None:
    model = AssemblyGNN(40, generator=generator)
    x, y = torch.randn(64, 40, generator=generator), torch.randn(64, 40, generator=generator)
    descent = build_descent(model, (x, y))
    assert descent.table is not None

    terms = loss(descent, x, y)
    (found,) = torch.autograd.grad(terms.fit, [model.weight])
    exact = (model(x) - y).norm()
    (expected,) = torch.autograd.grad(exact, [model.weight])

    torch.testing.assert_close(terms.fit, exact, rtol=1e-4, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)


def test_gradient_of_phi_is_right_on_average(generator: torch.Generator) -> None:
    """Over all rotations of a batch, its first eight frames are every frame equally often."""
    model = AssemblyGNN(10, generator=generator)
    x, y = torch.randn(32, 10, generator=generator), torch.randn(32, 10, generator=generator)
    descent = build_descent(model, (x, y))
    parameters = list(model.update.parameters())

    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for shift in range(0, 32, 8):
        fit = loss(descent, x.roll(shift, 0), y.roll(shift, 0)).fit
        for total, gradient in zip(sums, torch.autograd.grad(fit, parameters), strict=True):
            total += gradient / 4

    for mean, exact in zip(
        sums, torch.autograd.grad((model(x) - y).norm(), parameters), strict=True
    ):
        torch.testing.assert_close(mean, exact, rtol=1e-4, atol=1e-4)


def test_diverging_fit_stops_with_its_step(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    config = sgd_config(lr_weight=1e30, lr_functions=1e20)

    with pytest.raises(FloatingPointError, match=r"finite at step \d+ .*Lower trainer\.lr_weight"):
        train(recording, config, **folders, seed=0)

    assert not (folders["out"] / "training.json").exists()
    assert not list(folders["out"].glob("*.pt"))


def test_activity_that_is_not_finite_is_refused(
    recording: Recording, sgd_config: Config, folders: dict[str, Path], tmp_path: Path
) -> None:
    activity = recording.activity(slice(0, 200))
    recording_from_array(tmp_path / "activity.zarr", activity, dt=0.1)
    stored = zarr.open_group(tmp_path / "activity.zarr", mode="r+")["activity"]
    stored[3, 1] = np.nan  # behind the back of the writer, which refuses it

    with pytest.raises(ValueError, match="nan at frame 3, neuron 1"):
        train(
            open_recording(tmp_path / "activity.zarr"),
            sgd_config(target="finite_difference"),
            **folders,
            seed=0,
        )


def test_constant_activity_is_refused(
    sgd_config: Config, folders: dict[str, Path], tmp_path: Path
) -> None:
    recording_from_array(tmp_path / "activity.zarr", np.ones((50, 3), np.float32), dt=0.1)
    still = open_recording(tmp_path / "activity.zarr")

    with pytest.raises(ValueError, match="Is the activity constant"):
        train(still, sgd_config(target="finite_difference"), **folders, seed=0)


def test_missing_cuda_is_refused(
    recording: Recording, sgd_config: Config, folders: dict[str, Path], monkeypatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = sgd_config().model_copy(update={"device": "cuda"})

    with pytest.raises(ValueError, match="finds no CUDA device; use 'auto' or 'cpu'"):
        train(recording, config, **folders, seed=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_starts_where_the_cpu_starts(
    recording: Recording, sgd_config: Config, tmp_path: Path
) -> None:
    models = {}
    for device in ("cpu", "cuda"):
        config = sgd_config(n_steps=5).model_copy(update={"device": device})
        train(recording, config, out=tmp_path / device, state=tmp_path / "state", seed=0)
        models[device] = last_model(tmp_path / device)

    torch.testing.assert_close(models["cuda"].weight, models["cpu"].weight, rtol=1e-3, atol=1e-5)


# Killed and rerun ---------------------------------------------------------------------------


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Descent.advance

    def stop(descent: Descent):
        if descent.step == step:
            raise KeyboardInterrupt
        return advance(descent)

    monkeypatch.setattr(Descent, "advance", stop)


@pytest.mark.parametrize("step", [10, 20, 35, 59])
def test_interrupted_fit_ends_in_the_same_bytes(
    recording: Recording, sgd_config: Config, tmp_path: Path, step: int
) -> None:
    config = sgd_config(cluster_at=[0.45])
    out, state = tmp_path / "out", tmp_path / "state"
    train(recording, config, out=tmp_path / "whole", state=tmp_path / "other", seed=0)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(step, patch)
        with pytest.raises(KeyboardInterrupt):
            train(recording, config, out=out, state=state, seed=0)
    assert not (out / "training.json").exists()

    train(recording, config, out=out, state=state, seed=0)

    assert checkpoint_bytes(out) == checkpoint_bytes(tmp_path / "whole")
    assert (out / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()
    assert not state.exists()


def test_resumed_fit_repeats_no_step_before_its_resume_point(
    recording: Recording, sgd_config: Config, folders: dict[str, Path], monkeypatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(45, patch)
        with pytest.raises(KeyboardInterrupt):
            train(recording, sgd_config(), **folders, seed=0)
    done = []
    advance = Descent.advance
    monkeypatch.setattr(
        Descent, "advance", lambda descent: (done.append(descent.step), advance(descent))[1]
    )

    train(recording, sgd_config(), **folders, seed=0)

    assert done == list(range(40, 60))


@pytest.mark.parametrize("damage", ["other settings", "truncated", "foreign"])
def test_resume_point_of_another_fit_is_left_unused_with_a_warning(
    recording: Recording,
    sgd_config: Config,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    out, state = tmp_path / "out", tmp_path / "state"
    first = sgd_config(lr_weight=1e-4) if damage == "other settings" else sgd_config()
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(30, patch)
        with pytest.raises(KeyboardInterrupt):
            train(recording, first, out=out, state=state, seed=0)
    if damage == "truncated":
        content = (state / "sgd.pt").read_bytes()
        (state / "sgd.pt").write_bytes(content[: len(content) // 2])
    if damage == "foreign":
        torch.save({"weights": torch.zeros(3)}, state / "sgd.pt")
    train(recording, sgd_config(), out=tmp_path / "whole", state=tmp_path / "other", seed=0)

    with caplog.at_level(logging.WARNING):
        train(recording, sgd_config(), out=out, state=state, seed=0)

    assert "starting over" in caplog.text
    assert checkpoint_bytes(out) == checkpoint_bytes(tmp_path / "whole")


SCRIPT = """
import sys
from pathlib import Path
from typing import Any
from neuralgnn.config.fit import FitConfig
from neuralgnn.data import open_recording
from neuralgnn.train import train

path, config, out, state = sys.argv[1:]
train(
    open_recording(path),
    FitConfig.model_validate_json(config),
    out=Path(out),
    state=Path(state),
    seed=0,
)
"""


@pytest.mark.slow
def test_fit_killed_outright_ends_in_the_same_bytes(
    recording: Recording, sgd_config: Config, tmp_path: Path
) -> None:
    config = sgd_config(n_steps=200, checkpoint_every=5, cluster_at=[0.3], batch_size=64)

    # No git: the state of the working tree is part of a checkpoint and may change meanwhile.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GIT_DIR": str(tmp_path)}

    def start(name: str) -> subprocess.Popen[bytes]:
        folders = [tmp_path / name, tmp_path / f"{name}_state"]
        arguments = [recording.path, config.model_dump_json(), *folders]
        command = [sys.executable, "-W", "error", "-c", SCRIPT, *map(str, arguments)]
        return subprocess.Popen(command, env=environment)

    whole = start("whole")
    process, point = start("killed"), tmp_path / "killed_state" / "sgd.pt"
    while not point.exists():
        assert process.poll() is None, "the fit ended before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "training.json").exists()

    assert start("killed").wait() == 0

    assert whole.wait() == 0
    expected = checkpoint_bytes(tmp_path / "whole")
    assert len(expected) == 40
    assert checkpoint_bytes(tmp_path / "killed") == expected
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("killed", "whole")]
    assert histories[0] == histories[1]
    assert not (tmp_path / "killed_state").exists()


def test_a_finished_fit_removes_what_a_killed_one_left_half_written(
    recording: Recording, sgd_config: Config, folders: dict[str, Path]
) -> None:
    for key, name in (("state", "sgd.pt"), ("out", "history.csv")):
        leftover = folders[key] / f".{name}.ab12cd34.scratch"
        leftover.mkdir(parents=True)
        (leftover / name).write_bytes(b"half")

    train(recording, sgd_config(), **folders, seed=0)

    assert not folders["state"].exists()
    assert not list(folders["out"].glob(".*"))
