"""A whole fit of a small network, nine of whose neurons a hidden field drives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording
from neuralgnn.models import load_model
from neuralgnn.train.select import select
from neuralgnn.train.varpro import recording_fit, run_varpro

FIT = {
    "target": {"kind": "drift"},
    "model": {
        "activation": "silu",
        "transfer_input": "sender",
        "hidden": 16,
        "field": {"shape": [3, 3], "hidden": 32, "n_layers": 2},
    },
    "trainer": {
        "kind": "varpro",
        "n_samples": 2000,
        "n_search_samples": 1000,
        "n_receivers": 8,
        "n_coefficients": [20],
        "n_update_coefficients": 12,
        "starts": ["saturating"],
        "field": {
            "n_stretches": 60,
            "n_update_coefficients": 10,
            "n_steps": 600,
            "n_joint_steps": 100,
            "batch_size": 256,
            "learning_rate": 2e-3,
        },
    },
}


def fit(recording: Recording, out: Path) -> None:
    config = FitConfig.model_validate(FIT)
    run_varpro(
        recording, config, out=out, state=out / "state", seed=0,
        device=torch.device("cpu"), progress=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(driven, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("fit"))
    fit(driven[1], out)
    return out


def r2(found: np.ndarray, true: np.ndarray) -> float:
    return 1 - np.square(found - true).sum() / np.square(true - true.mean()).sum()


def test_field_and_weights_are_recovered_from_activity_alone(driven, fitted: Path) -> None:
    network, _ = driven
    (checkpoint,) = fitted.glob("checkpoint_*.pt")
    model, _ = load_model(checkpoint)
    frames = np.arange(0, int(0.9 * len(network.field)), 20)
    with torch.no_grad():
        found = model.field.at(torch.from_numpy(frames)).double().numpy()
        psi = model.sent(torch.full((1, 30), 4.0)).double().numpy()
    true = network.field[frames]
    weight = model.connectivity().detach().double().numpy() * psi / np.tanh(4.0)
    expected = network.weight.copy()
    weight[:9] *= found.mean(0)[:, None]
    expected[:9] *= true.mean(0)[:, None]

    assert r2(found / found.mean(0), true / true.mean(0)) > 0.98
    off = ~np.eye(30, dtype=bool)
    assert r2(weight[off], expected[off]) > 0.998


def test_killed_fit_goes_on_to_the_same_bytes(
    driven, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        recording_fit, "fit_group_model", killed
    )  # the search is done, the field is not
    with pytest.raises(KeyboardInterrupt):
        fit(driven[1], tmp_path)
    monkeypatch.undo()
    fit(driven[1], tmp_path)

    (first,), (second,) = (folder.glob("checkpoint_*.pt") for folder in (fitted, tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_selection_does_not_count_driven_neurons_at_unseen_times(driven, fitted: Path) -> None:
    (checkpoint,) = fitted.glob("checkpoint_*.pt")
    (fitted / "training.json").write_text(
        f'{{"checkpoints": [{{"file": "{checkpoint.name}", "step": 1}}]}}'
    )

    chosen = select(driven[1], fitted, target_kind="drift", validation_fraction=0.1)

    assert chosen["error"] < 0.15


def test_field_that_drives_everyone_is_refused_with_the_numbers(driven, tmp_path: Path) -> None:
    model = FIT["model"] | {"field": {"shape": [5, 6]}}
    config = FitConfig.model_validate(FIT | {"model": model})

    with pytest.raises(ValueError, match=r"5 x 6 = 30 neurons .* recording has 30"):
        run_varpro(
            driven[1], config, out=tmp_path, state=tmp_path, seed=0,
            device=torch.device("cpu"), progress=False,
        )  # fmt: skip


def test_graph_trainers_and_pairwise_transfer_are_refused_with_a_field() -> None:
    with pytest.raises(ValueError, match=r"'varpro' or 'sgd', found 'sgd_graph'"):
        FitConfig.model_validate(FIT | {"trainer": {"kind": "sgd_graph"}})
    with pytest.raises(ValueError, match=r"'pair' is not fitted by .*: 'sender' is allowed"):
        FitConfig.model_validate(FIT | {"model": FIT["model"] | {"transfer_input": "pair"}})
