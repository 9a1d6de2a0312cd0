"""Transfer functions that differ between neurons, on noisy networks of 24 neurons, two types."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.analyse.functions import transfer_error
from neuralgnn.analyse.gauge import Canonical, canonical, canonical_truth
from neuralgnn.analyse.truth import Truth
from neuralgnn.analyse.weights import compare_weights
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data import Recording, open_recording, open_truth
from neuralgnn.models import load_model
from neuralgnn.models.clustering import cluster_rows
from neuralgnn.simulate import simulate
from neuralgnn.train.varpro import groups as groups_module
from neuralgnn.train.varpro import run_varpro, search_data
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.search_data import SearchData
from neuralgnn.train.varpro.search_store import SearchStore
from neuralgnn.train.varpro.solve import solve_spline_weights
from neuralgnn.train.varpro.splines import SplineBasis
from neuralgnn.train.varpro.transfer import TransferSplines

SIZE = {"n_samples": 1500, "n_search_samples": 800, "n_receivers": 6, "n_coefficients": (14, 36)}
TYPES = [
    {"gain": 10, "self_coupling": 1, "decay": 1, "width": 1},
    {"gain": 10, "self_coupling": 1, "decay": 2, "width": 4},
]


@pytest.fixture(scope="module", params=["sender", "pair"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def recording(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = Path(tmp_path_factory.mktemp(kind)) / "activity.zarr"
    values = {
        "n_neurons": 24,
        "n_frames": 4000,
        "neuron_types": TYPES,
        "transfer": {"kind": kind},
        "connectivity": {"kind": "gaussian"},
        "noise": {"kind": "per_step", "std": 0.4},  # so few neurons explore little by themselves
        "record_drift": True,
    }
    simulate(SimulationConfig.model_validate(values), path, seed=1, progress=False)
    return open_recording(path)


def run(recording: Recording, kind: str, out: Path, **trainer) -> None:
    config = FitConfig.model_validate(
        {
            "target": {"kind": "drift"},
            "model": {
                "transfer_input": kind,
                "transfer_terms": 2,
                "activation": "silu",
                "hidden": 32,
                "embedding_dim": 1,  # all that two types need
            },
            "trainer": {"kind": "varpro", "n_update_coefficients": 32, "ridge": 1e-10}
            | SIZE
            | trainer,
        }
    )
    run_varpro(
        recording,
        config,
        out=out,
        state=out / "state",
        seed=0,
        device=torch.device("cpu"),
        progress=False,
    )


@pytest.fixture(scope="module")
def fitted(recording: Recording, kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("fit"))
    run(recording, kind, out)
    return out


def _learned_and_true(
    recording: Recording, fitted: Path
) -> tuple[np.ndarray, Canonical, Canonical]:
    """Activity, and the learned and the true network in the gauge that it sets."""
    model, _ = load_model(next(fitted.glob("checkpoint_*.pt")))
    truth = open_truth(recording.path)
    assert truth is not None
    activity = recording.activity(range(0, 4000, 2))
    true = canonical_truth(Truth.from_dataset(truth), activity)
    return activity, canonical(model, activity), true


def test_weights_and_functions_are_recovered_from_activity_alone(
    recording: Recording, kind: str, fitted: Path
) -> None:
    activity, learned, true = _learned_and_true(recording, fitted)

    assert compare_weights(learned.weight, true.weight)["r2"] > 0.999
    assert transfer_error(learned, true, activity, quantile=0.01)["transfer_error"] < 0.02


@pytest.mark.parametrize("kind", ["pair"], indirect=True)
def test_neuron_that_looks_like_another_type_is_told_by_its_equation(
    recording: Recording, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confused(*args, **options) -> np.ndarray:
        labels = cluster_rows(*args, **options)
        labels[-1] = labels[labels != labels[-1]][0]
        return labels

    monkeypatch.setattr(groups_module, "cluster_rows", confused)
    run(recording, kind, tmp_path)

    _, learned, true = _learned_and_true(recording, tmp_path)
    assert compare_weights(learned.weight, true.weight)["r2"] > 0.999


def test_killed_search_of_groups_goes_on_to_the_same_bytes(
    recording: Recording,
    kind: str,
    fitted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(Exception):
        pass

    n_steps = len((fitted / "history.csv").read_text().splitlines()) - 1
    save = SearchStore.save

    def dying(self, search, **options) -> None:
        save(self, search, **options)
        if len(self.history) == n_steps - 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SearchStore, "save", dying)
        run(recording, kind, tmp_path)
    run(recording, kind, tmp_path)

    for name in ("history.csv", next(fitted.glob("checkpoint_*.pt")).name):
        assert (tmp_path / name).read_bytes() == (fitted / name).read_bytes()


# Parts


@pytest.fixture
def x() -> torch.Tensor:
    return 3 * torch.randn(80, 6, generator=torch.Generator().manual_seed(0))


GROUPS = torch.tensor([0, 1, 0, 1, 1, 0])
KNOTS = np.linspace(-9, 9, 6)


def test_sensitivities_of_groups_are_derivatives_of_what_arrives(x: torch.Tensor) -> None:
    basis = SplineBasis(KNOTS)
    receivers = torch.tensor([1, 4])
    data = SearchData(
        x, x[:, receivers], receivers, transfer_basis=basis, update_basis=basis, groups=GROUPS
    )
    generator = torch.Generator().manual_seed(1)
    c = torch.randn(2, basis.size, dtype=torch.float64, generator=generator)
    w = torch.randn(2, 6, dtype=torch.float64, generator=generator)

    arrives = data.sensitivities(w) @ c.flatten()

    torch.testing.assert_close(arrives, w @ data.sent(c).T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_splines_from_a_table_are_those_that_are_kept(
    x: torch.Tensor, groups: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    basis, receivers = SplineBasis(KNOTS), torch.tensor([1, 4])
    n_groups = 1 if groups is None else 2
    generator = torch.Generator().manual_seed(1)
    c = torch.randn(n_groups, basis.size, dtype=torch.float64, generator=generator)
    w = torch.randn(2, 6, dtype=torch.float64, generator=generator)

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        options = {"transfer_basis": basis, "update_basis": basis, "groups": groups}
        data = SearchData(x, x[:, receivers], receivers, **options)
        return data.sent(c), data.sensitivities(w)

    kept = both()
    monkeypatch.setattr(search_data, "_CACHE_BYTES", 0)
    monkeypatch.setattr(SearchData, "_blocks", None)  # a table is all it takes

    for found, expected in zip(both(), kept, strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_every_group_is_normalised_on_its_own_activity(x: torch.Tensor) -> None:
    basis = SplineBasis(KNOTS)
    receivers = torch.tensor([0])
    data = SearchData(
        x, x[:, receivers], receivers, transfer_basis=basis, update_basis=basis, groups=GROUPS
    )
    c = torch.stack([torch.linspace(3, -5, basis.size), torch.linspace(0, 9, basis.size)])

    sent = data.sent(data.normalised(c.double()))

    for group in (0, 1):
        own = sent[:, group == GROUPS]
        assert own.square().mean().item() == pytest.approx(1, rel=1e-5)
        assert (
            torch.corrcoef(torch.stack([own.flatten(), x[:, group == GROUPS].flatten()]))[0, 1] > 0
        )


def test_splines_of_pairs_are_sent_group_by_group(x: torch.Tensor) -> None:
    basis = SplineBasis(KNOTS)
    coefficients = np.random.default_rng(0).normal(size=(2, 2, basis.size))
    transfer = TransferSplines(KNOTS, coefficients, GROUPS, 0.0)

    sent = transfer.sent(x, receiving=1)

    for neuron, group in enumerate(GROUPS.tolist()):
        expected = basis.curve(coefficients[1, group], x[:, neuron].double().numpy())
        np.testing.assert_allclose(sent[:, neuron], expected, atol=1e-5)
    assert transfer.receivers(1).tolist() == [1, 3, 4]


def test_rows_of_splines_are_plain_least_squares(x: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(2)
    basis = SplineBasis(KNOTS)
    random = np.random.default_rng(0)
    transfer = TransferSplines(KNOTS, random.normal(size=(2, 2, basis.size)), GROUPS, 0.0)
    updates = torch.from_numpy(random.normal(size=(len(GROUPS), basis.size)))
    y = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    weight = solve_spline_weights(Samples(x, y), transfer, basis, updates)

    for i, group in enumerate(GROUPS.tolist()):
        others = [j for j in range(len(GROUPS)) if j != i]
        target = y[:, i] - updates[i] @ basis(x[:, i].double())
        sent = transfer.sent(x, receiving=group)[:, others]
        expected = torch.linalg.lstsq(sent, target[:, None]).solution[:, 0]
        torch.testing.assert_close(weight[i, others], expected, rtol=1e-6, atol=1e-8)
        assert weight[i, i] == 0
