"""Stochastic gradient descent on a network that a hidden field drives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import read_json
from neuralgnn.models import load_model
from neuralgnn.train import select, train
from neuralgnn.train.descent import Descent


def config(**trainer) -> FitConfig:
    model = {
        "transfer_input": "sender",
        "field": {"shape": [3, 3], "hidden": 32, "n_layers": 2, "omega_0": 10},
    }
    return FitConfig.model_validate(
        {
            "target": {"kind": "drift"},
            "model": model,
            "trainer": {"kind": "sgd", "cluster_at": [], "decay_from": 0, **trainer},
        }
    )


@pytest.mark.slow
def test_field_is_recovered_together_with_the_weights(driven, tmp_path: Path) -> None:
    network, recording = driven
    settings = config(
        n_steps=2500, batch_size=64, lr_weight=1e-2, lr_functions=5e-3, lr_field=3e-3,
        checkpoint_every=2500, keep_checkpoints=2,
    )  # fmt: skip
    out = tmp_path / "out"

    train(recording, settings, out=out, state=tmp_path / "state", seed=0, progress=False)

    listed = read_json(out / "training.json")["checkpoints"]
    model, _ = load_model(out / listed[-1]["file"])
    frames = np.arange(0, int(0.9 * len(network.field)), 20)
    with torch.no_grad():
        found = model.field.at(torch.from_numpy(frames)).double().numpy()
    found, true = (f / f.mean(0) for f in (found, network.field[frames]))
    assert 1 - np.square(found - true).sum() / np.square(true - true.mean()).sum() > 0.9
    chosen = select(recording, out, target_kind="drift", validation_fraction=0.1)
    assert chosen["error"] < 0.3  # of the neurons that nothing drives: the others' is unknown


def test_interrupted_fit_with_a_field_ends_in_the_same_bytes(
    driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(n_steps=40, checkpoint_every=10, keep_checkpoints=2)
    train(driven[1], settings, out=tmp_path / "whole", state=tmp_path / "other", seed=0)
    folders = {"out": tmp_path / "out", "state": tmp_path / "state"}
    advance = Descent.advance

    def stop(descent: Descent):
        if descent.step == 25:
            raise KeyboardInterrupt
        return advance(descent)

    monkeypatch.setattr(Descent, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        train(driven[1], settings, **folders, seed=0)
    monkeypatch.undo()
    train(driven[1], settings, **folders, seed=0)

    files = sorted((tmp_path / "whole").glob("checkpoint_*.pt"))
    assert len(files) == 2
    for file in files:
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()
