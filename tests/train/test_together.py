"""Fits of several seeds in one job."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, read_json, recording_from_array
from neuralgnn.models import AssemblyGNN, load_model
from neuralgnn.train import train, train_together
from neuralgnn.train.descent import Descent
from neuralgnn.train.history import History
from neuralgnn.train.terms import PenaltyCoefficients
from neuralgnn.train.together import Together

N = 30
FIELD = {"shape": (3, 4), "first_neuron": 5, "n_frames": 100, "hidden": 8, "n_layers": 1}
SEEDS = (3, 4, 5)
SMALL_VARPRO = FitConfig.model_validate(
    {
        "target": {"kind": "drift"},
        "model": {"hidden": 8},
        "trainer": {
            "kind": "varpro",
            "n_samples": 600,
            "n_search_samples": 300,
            "n_receivers": 4,
            "n_coefficients": [8],
            "n_update_coefficients": 8,
            "starts": ["saturating"],
            "max_iterations": 2,
        },
        "device": "cpu",
    }
)


class Frames:
    """Random activity whose scale is that of its seed."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = seed * torch.randn(100, N, generator=generator)
        self.y = torch.randn(100, N, generator=generator)

    def sample(self, n_frames: int) -> torch.Tensor:
        return self.x[:n_frames]

    def draw(self, n_frames: int, *, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        index = torch.randint(100, (n_frames,), generator=generator)
        return self.x[index], self.y[index], index


def descent(seed: int, *, batch_size: int = 8, compiled: bool = False, **model: Any) -> Descent:
    frames, generator = Frames(seed), torch.Generator().manual_seed(seed)
    scale = float(frames.x.std())
    return Descent(
        AssemblyGNN(N, hidden=16, activity_scale=scale, generator=generator, **model),
        frames,  # type: ignore[arg-type]
        n_steps=20,
        batch_size=batch_size,
        lr_weight=1e-3,
        lr_functions=1e-3,
        lr_embedding=1e-3,
        lr_field=1e-4,
        decay_from=0.5,
        penalties=PenaltyCoefficients(phi_zero=1.0, psi_monotonic=0.5, weight_l1=1e-3),
        cluster_at=(0.4,),
        cluster_steps=3,
        generator=generator,
        seed=seed,
        compiled=compiled,
    )


@pytest.mark.parametrize("batch_size", [8, 80], ids=["small", "large"])  # 80 uses the table
@pytest.mark.parametrize(
    "model",
    [
        {},
        {"transfer_input": "sender"},
        {"transfer_input": "pair", "transfer_terms": 2},
        {"embedding": "fixed"},
        {"transfer_input": "sender", "field": FIELD},
    ],
    ids=["activity", "sender", "pair", "one type", "field"],
)
def test_a_step_of_a_batch_is_the_step_of_every_seed(batch_size: int, model: dict) -> None:
    alone = [descent(seed, batch_size=batch_size, **model) for seed in SEEDS]
    together = Together([descent(seed, batch_size=batch_size, **model) for seed in SEEDS])

    terms = together.advance()
    expected = [each.advance() for each in alone]

    for found, each, one in zip(terms, expected, alone, strict=True):
        assert found.penalties.keys() == each.penalties.keys()
        assert float(found.total.detach()) == pytest.approx(float(each.total.detach()), rel=1e-5)
        index = alone.index(one)
        for name, value in one.model.named_parameters():
            if value.grad is None:
                continue
            grad = together._parameters[name].grad
            assert grad is not None
            worst = (grad[index] - value.grad).abs().max()
            assert worst <= 1e-3 * value.grad.abs().max() + 1e-5, name


def test_seeds_do_not_know_of_each_other() -> None:
    """Through clustering and decay: what a seed learns does not depend on who is beside it."""
    several = Together([descent(seed) for seed in SEEDS])
    pair = Together([descent(SEEDS[1]), descent(9)])

    for _ in range(20):
        several.advance(), pair.advance()

    beside = dict(pair.descents[0].model.named_parameters())
    for name, value in several.descents[1].model.named_parameters():
        torch.testing.assert_close(value, beside[name], rtol=1e-3, atol=1e-4)
    assert len(several.descents[1].model.embedding.unique(dim=0)) > 1


def test_a_batch_goes_on_identically_from_where_it_was_left() -> None:
    straight, left = (Together([descent(seed) for seed in SEEDS]) for _ in range(2))
    for _ in range(10):
        straight.advance(), left.advance()
    taken_up = Together([descent(seed) for seed in SEEDS])
    taken_up.restore(left.state())

    for _ in range(10):
        straight.advance(), taken_up.advance()

    assert taken_up.step == 20
    for one, other in zip(straight.descents, taken_up.descents, strict=True):
        for name, value in one.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[name]), name


def test_networks_of_different_size_are_not_one_batch() -> None:
    other = descent(1)
    other.model = AssemblyGNN(N + 1, hidden=16)

    with pytest.raises(ValueError, match=r"one shape; found 30 and 31 neurons"):
        Together([descent(2), other])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_are_those_of_the_interpreter() -> None:
    plain, compiled = (
        Together([descent(seed, compiled=on) for seed in SEEDS[:2]]) for on in (False, True)
    )

    for _ in range(3):
        plain.advance(), compiled.advance()

    for one, other in zip(plain.descents, compiled.descents, strict=True):
        expected = dict(one.model.named_parameters())
        for name, value in other.model.named_parameters():
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def recordings(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Two recordings of one network: one, and what it does later."""
    frames = range(1000, 6000)
    path = tmp_path_factory.mktemp("later") / "activity.zarr"
    recording_from_array(
        path,
        np.asarray(recording.activity(frames)),
        dt=recording.dt,
        drift=np.asarray(recording.drift(frames)),
    )
    return [recording, open_recording(path)]


def fit(recordings: list[Recording], config: FitConfig, folder: Path) -> list[Path]:
    outs = [folder / f"out_{index}" for index in range(len(recordings))]
    train_together(recordings, config, outs=outs, state=folder / "state", seeds=[1, 2])
    return outs


def models(outs: list[Path]) -> list[dict[str, bytes]]:
    return [{file.name: file.read_bytes() for file in out.glob("checkpoint_*.pt")} for out in outs]


def test_every_seed_gets_all_that_a_fit_promises(
    recordings: list[Recording], sgd_config: Callable[..., FitConfig], tmp_path: Path
) -> None:
    outs = fit(recordings, sgd_config(), tmp_path)

    for out, seed, recording in zip(outs, (1, 2), recordings, strict=True):
        training = read_json(out / "training.json")
        assert training["seed"] == seed and training["together"] == [1, 2]
        assert training["provenance"]["recording"] == recording.digest
        alone = tmp_path / f"alone_{seed}"
        train(recording, sgd_config(), out=alone, state=tmp_path / "s", seed=seed)
        listed = read_json(alone / "training.json")["checkpoints"]
        assert training["checkpoints"] == listed
        sizes = [(folder / listed[-1]["file"]).stat().st_size for folder in (out, alone)]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.02)  # nothing of the other seeds
        found, _ = load_model(out / listed[-1]["file"])
        expected, _ = load_model(alone / listed[-1]["file"])
        torch.testing.assert_close(found.weight, expected.weight, rtol=1e-2, atol=1e-3)
        assert (out / "history.csv").is_file() and any((out / "tensorboard").iterdir())
    assert not (tmp_path / "state").exists()


def test_a_killed_batch_ends_in_the_same_bytes(
    recordings: list[Recording],
    sgd_config: Callable[..., FitConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed = models(fit(recordings, sgd_config(), tmp_path / "undisturbed"))

    class Killed(BaseException):
        pass

    def die(self: History, terms: Any, *, step: int, rate: float) -> None:
        if step == 45:
            raise Killed
        add(self, terms, step=step, rate=rate)

    add = History.add
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(History, "add", die)
        fit(recordings, sgd_config(), tmp_path / "killed")
    assert (tmp_path / "killed" / "state" / "sgd.pt").is_file()

    assert models(fit(recordings, sgd_config(), tmp_path / "killed")) == undisturbed


@pytest.mark.slow
def test_fits_by_varpro_in_one_job_are_those_of_jobs_of_their_own(
    recordings: list[Recording], tmp_path: Path
) -> None:
    together = models(fit(recordings, SMALL_VARPRO, tmp_path))

    for recording, seed, found in zip(recordings, (1, 2), together, strict=True):
        out = tmp_path / f"alone_{seed}"
        train(recording, SMALL_VARPRO, out=out, state=tmp_path / "s", seed=seed)
        assert models([out]) == [found]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", ["varpro", "sgd"])
def test_seeds_fitted_at_the_same_time_on_the_gpu_are_those_of_the_cpu(
    recordings: list[Recording],
    sgd_config: Callable[..., FitConfig],
    tmp_path: Path,
    kind: str,
) -> None:
    base = SMALL_VARPRO if kind == "varpro" else sgd_config(n_steps=5)
    weights = {}
    for device in ("cpu", "cuda"):
        outs = fit(recordings, base.model_copy(update={"device": device}), tmp_path / device)
        last = [sorted(out.glob("checkpoint_*.pt"))[-1] for out in outs]
        weights[device] = torch.stack([load_model(file)[0].weight for file in last])

    torch.testing.assert_close(weights["cuda"], weights["cpu"], rtol=1e-2, atol=1e-3)
