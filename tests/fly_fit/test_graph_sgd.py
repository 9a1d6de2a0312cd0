"""Gradient descent on a graph: the published loss, resumption, what it learns, refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.analyse.fly.correction import published_constants
from neuralgnn.analyse.fly.evaluate import FastModel, voltage_range
from neuralgnn.analyse.fly.scores import line_scores
from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording, open_recording, recording_from_array
from neuralgnn.models import GeneralGNN, load_sparse_model
from neuralgnn.train import sgd
from neuralgnn.train.graph_descent import GraphBatches, GraphDescent, GraphPenalties
from neuralgnn.train.run import train
from neuralgnn.train.select import select

from .conftest import Circuit

COEFFICIENTS = {
    "transfer_monotonic": 7.0,
    "transfer_norm": 0.9,
    "transfer_l1": 0.28,
    "update_l1": 0.05,
    "update_l2": 0.01,
    "weight_l1": 0.02,
}


def config(**trainer) -> FitConfig:
    settings = {"n_steps": 40, "checkpoint_every": 10, "keep_checkpoints": 2}
    return FitConfig.model_validate(
        {
            "target": {"kind": "drift"},
            "model": {"hidden": 16},
            "trainer": {"kind": "sgd_graph", **settings, **trainer},
        }
    )


def fit(recording: Recording, out: Path, settings: FitConfig) -> None:
    train(recording, settings, out=out, state=out / "state", seed=0, progress=False)


def test_the_loss_is_the_published_one(recording: Recording, circuit: Circuit) -> None:
    """Written out edge by edge, in double precision."""
    graph = circuit.graph
    model = GeneralGNN(graph.n_neurons, n_edges=graph.n_edges, hidden=8)
    model.connect(graph.pre, graph.post)
    torch.nn.init.normal_(model.embedding)
    torch.nn.init.normal_(model.weight)
    batches = GraphBatches(recording, range(2000), kind="drift")
    descent = GraphDescent(
        model,
        batches,
        n_steps=10,
        batch_size=3,
        lr_weight=1e-3,
        lr_functions=1e-3,
        lr_embedding=1e-3,
        decay_from=1.0,
        penalties=GraphPenalties(**COEFFICIENTS),
        generator=torch.Generator().manual_seed(0),
    )
    x, external, y = batches.draw_driven(3, generator=torch.Generator().manual_seed(1))
    found = descent.terms(x, external, y)

    model = model.double()
    a, x, external = model.embedding.detach(), x.double(), external.double()

    def message(v: torch.Tensor) -> torch.Tensor:
        return model.transfer(torch.cat([v[:, None], a], dim=1)).square()

    total = torch.zeros_like(y, dtype=torch.float64)
    for frame in range(3):
        sent, arriving = message(x[frame]), torch.zeros(graph.n_neurons, dtype=torch.float64)
        for weight, pre, post in zip(model.weight, graph.pre, graph.post, strict=True):
            arriving[post] += weight.detach() * sent[pre].detach()
        seen = [x[frame, :, None], a, arriving[:, None], external[frame, :, None]]
        total[frame] = model.updating(torch.cat(seen, dim=1)) - y[frame]
    total, unit = total.detach(), descent.unit
    f, g = list(model.updating.parameters()), list(model.transfer.parameters())
    expected = {
        "transfer_monotonic": (message(x[0]) - message(x[0] + 0.05 * unit)).clamp_min(0).norm(),
        "transfer_norm": (message(torch.full_like(x[0], 2 * unit)) - 2 * unit).norm(),
        "transfer_l1": torch.stack([p.abs().sum() for p in g]).sum(),
        "update_l1": torch.stack([p.abs().sum() for p in f]).sum(),
        "update_l2": torch.stack([p.square().sum().sqrt() for p in f]).sum(),
        "weight_l1": model.weight.abs().sum(),
    }

    assert found.fit.item() == pytest.approx(total.square().sum().sqrt().item(), rel=1e-4)
    assert set(found.penalties) == set(expected)
    for name, value in expected.items():
        wanted = COEFFICIENTS[name] * value.item()
        assert found.penalties[name].item() == pytest.approx(wanted, rel=1e-3), name


def test_an_interrupted_fit_ends_in_the_same_bytes(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(recording, tmp_path / "whole", config())
    advance, steps = GraphDescent.advance, []

    def dying(self: GraphDescent):
        steps.append(self.step)
        if len(steps) == 25:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(GraphDescent, "advance", dying)
    with pytest.raises(KeyboardInterrupt):
        fit(recording, tmp_path / "cut", config())
    fit(recording, tmp_path / "cut", config())

    assert steps[25] == 20  # goes on from the last resume point
    names = sorted(path.name for path in (tmp_path / "whole").glob("*.pt"))
    assert names == ["checkpoint_00000010.pt", "checkpoint_00000040.pt"]
    for name in [*names, "history.csv"]:
        whole, cut = (tmp_path / folder / name for folder in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes(), name


def test_weights_are_learned_up_to_the_published_correction(
    recording: Recording, circuit: Circuit, tmp_path: Path
) -> None:
    off = dict.fromkeys(COEFFICIENTS, 0.0) | {"transfer_norm": 0.9}
    settings = config(n_steps=1500, checkpoint_every=750, batch_size=16, lr_weight=1e-2,
                      lr_functions=5e-3, lr_embedding=1e-2, decay_from=0.3, **off)  # fmt: skip
    fit(recording, tmp_path, settings)
    best = select(recording, tmp_path, target_kind="drift", validation_fraction=0.1, device="cpu")
    model, _ = load_sparse_model(tmp_path / best["file"])
    train_frames, _ = recording.split(0.1)
    found = published_constants(
        model,
        FastModel(model, circuit.graph),
        recording,
        len(train_frames),
        voltage_range(recording, train_frames),
    )
    heard = circuit.graph.pre != circuit.silent
    pearson2, slope = line_scores(found.weight[heard], circuit.weight[heard], drop_outliers=True)

    assert best["step"] == 1500
    assert pearson2 > 0.7 and slope == pytest.approx(1, abs=0.3)
    constants = np.corrcoef(found.time_constant, circuit.time_constant)[0, 1]
    assert constants > 0.9


def test_a_recording_without_a_graph_is_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    recording_from_array(tmp_path / "a.zarr", x, dt=0.1, drift=x)

    with pytest.raises(
        ValueError, match=r"has no graph, which trainer\.kind = 'sgd_graph' fits on"
    ):
        sgd.run_sgd(
            open_recording(tmp_path / "a.zarr"),
            config(),
            out=tmp_path / "out",
            state=tmp_path / "state",
            seed=0,
            device=torch.device("cpu"),
        )
