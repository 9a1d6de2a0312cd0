from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Recording
from neuralgnn.models import load_model
from neuralgnn.train.varpro import run_varpro
from neuralgnn.train.varpro.search_store import SearchStore

CPU = torch.device("cpu")


def config(
    *, target: str = "finite_difference", embedding: str = "learned", **trainer
) -> FitConfig:
    return FitConfig.model_validate(
        {
            "target": {"kind": target},
            "model": {"embedding": embedding, "activation": "silu"},
            "trainer": {"kind": "varpro", "n_samples": 3000, "n_search_samples": 1500} | trainer,
        }
    )


@pytest.fixture(scope="module")
def fitted(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("fit"))
    run_varpro(
        recording, config(), out=out, state=out / "state", seed=0, device=CPU, progress=False
    )
    return out


def test_mechanism_is_recovered_from_activity_alone(fitted: Path, network) -> None:
    (checkpoint,) = fitted.glob("checkpoint_*.pt")
    model, _ = load_model(checkpoint)
    grid = torch.linspace(-12, 12, 801)
    with torch.no_grad():
        psi = model.transfer(grid[:, None] / model.activity_scale).double().numpy()
        phi = model.update_curves(grid).double().numpy()
    scale = psi[-100:].mean()
    weight = model.weight.detach().double().numpy() * scale
    true = network.weight
    off = ~np.eye(100, dtype=bool)

    residual = np.square(weight - true)[off].sum()
    assert 1 - residual / np.square(true[off] - true[off].mean()).sum() > 0.9999
    np.testing.assert_allclose(psi / scale, np.tanh(grid.numpy()), atol=0.01)
    expected = np.stack([network.update(np.full(100, x)) for x in grid.numpy()], axis=1)
    error = np.linalg.norm(phi - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert np.median(error) < 0.01


def test_latent_vectors_form_one_tight_cluster_per_type(fitted: Path) -> None:
    (checkpoint,) = fitted.glob("checkpoint_*.pt")
    latent = load_model(checkpoint)[0].embedding.detach().numpy().reshape(4, 25, 2)
    centres = latent.mean(1)
    spread = np.linalg.norm(latent - centres[:, None], axis=-1).max()
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)[~np.eye(4, dtype=bool)]

    assert spread < distances.min() / 4


def test_killed_search_goes_on_to_the_same_bytes(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = config(
        embedding="fixed", max_iterations=8, n_coefficients=(10, 14), starts=("saturating",)
    )

    class Killed(Exception):
        pass

    save = SearchStore.save

    def dying(self, search, **options) -> None:
        save(self, search, **options)
        if len(self.history) == 4:
            raise Killed

    def options(name: str) -> dict[str, Any]:
        out = tmp_path / name
        return {"out": out, "state": out / "state", "seed": 0, "device": CPU, "progress": False}

    run_varpro(recording, quick, **options("whole"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SearchStore, "save", dying)
        run_varpro(recording, quick, **options("killed"))
    run_varpro(recording, quick, **options("killed"))

    names = sorted(file.name for file in (tmp_path / "whole").glob("*.*"))
    assert len(names) == 2
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_fixed_embedding_gives_one_update_function(recording: Recording, tmp_path: Path) -> None:
    run_varpro(
        recording,
        config(embedding="fixed", max_iterations=4, n_coefficients=(10,), starts=("saturating",)),
        out=tmp_path,
        state=tmp_path / "state",
        seed=0,
        device=CPU,
        progress=False,
    )
    model, _ = load_model(next(tmp_path.glob("checkpoint_*.pt")))

    curves = model.update_curves(torch.linspace(-5, 5, 11)).detach()
    torch.testing.assert_close(curves, curves[:1].expand(100, -1))


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"n_samples": 110}, r"trainer.n_samples = 110 is not above the 132 unknowns"),
        ({"n_search_samples": 120}, r"trainer.n_search_samples = 120 is not above"),
    ],
)
def test_too_few_samples_are_refused(
    recording: Recording, tmp_path: Path, trainer: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_varpro(
            recording,
            config(**trainer),
            out=tmp_path,
            state=tmp_path,
            seed=0,
            device=CPU,
            progress=False,
        )
