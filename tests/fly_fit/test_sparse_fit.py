"""Fits on a graph: recovery without knowing the transfer function, resumption, refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.analyse.fly.scores import line_scores
from neuralgnn.config.fit import FitConfig
from neuralgnn.data import Graph, Recording
from neuralgnn.models import load_sparse_model
from neuralgnn.train.varpro import sparse_run, sparse_sums
from neuralgnn.train.varpro.search_store import SearchStore
from neuralgnn.train.varpro.sparse_rows import solve_sparse_rows, sum_frames
from neuralgnn.train.varpro.sparse_run import run_graph_varpro
from neuralgnn.train.varpro.sparse_sums import Frames, Measurement

from .conftest import DT, Circuit

SMALL = {"n_samples": 2000, "n_search_samples": 700, "n_receivers": 50, "n_knots": 12}


def config(target: str = "drift", **trainer) -> FitConfig:
    trainer = {"kind": "varpro_graph", "starts": ["linear"], **SMALL, **trainer}
    return FitConfig.model_validate({"target": {"kind": target}, "trainer": trainer})


def fit(recording: Recording, out: Path, target: str = "drift", **trainer) -> None:
    run_graph_varpro(
        recording,
        config(target, **trainer),
        out=out,
        state=out / "state",
        seed=0,
        device=torch.device("cpu"),
        progress=False,
    )


@pytest.fixture(scope="module")
def fitted(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit")
    fit(recording, out)
    return out


def found(out: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Weight, time constant and resting potential in units of activity."""
    (checkpoint,) = out.glob("checkpoint_*.pt")
    model, about = load_sparse_model(checkpoint)
    drive, leak, gain = model.embedding.detach().double().numpy().T
    weight = model.weight.detach().double().numpy() * (gain / leak)[model.post]
    return {"weight": weight, "tau": 1 / leak, "rest": drive / leak}, about["extra"]


def r2(learned: np.ndarray, true: np.ndarray) -> float:
    return 1 - ((learned - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()


def test_weights_constants_and_the_rectifier_come_out_of_a_linear_start(
    fitted: Path, circuit: Circuit
) -> None:
    values, extra = found(fitted)
    resolved = extra["resolution"].numpy() > 0.5

    assert r2(values["weight"][resolved], circuit.weight[resolved]) > 0.9999
    assert r2(values["tau"], circuit.time_constant) > 0.9999
    assert r2(values["rest"], circuit.resting_potential) > 0.999
    (checkpoint,) = fitted.glob("checkpoint_*.pt")
    x = torch.linspace(-0.8, 1.5, 200)[:, None]
    sent = load_sparse_model(checkpoint)[0].sent(x).detach()
    torch.testing.assert_close(sent, x.clamp_min(0), atol=2e-3, rtol=0)


def test_what_a_silent_neuron_would_send_is_marked_as_unknown(
    fitted: Path, circuit: Circuit
) -> None:
    values, extra = found(fitted)
    silent = circuit.graph.pre == circuit.silent

    assert extra["resolution"].numpy()[silent].max() < 0.1
    assert np.abs(values["weight"][silent]).max() < 0.1
    assert np.quantile(extra["resolution"].numpy()[~silent], 0.05) > 0.9


@pytest.mark.parametrize("opening", [50, 0])
def test_what_a_neuron_sends_only_while_the_network_settles_is_found_in_its_first_frames(
    circuit: Circuit, tmp_path: Path, opening: int
) -> None:
    start = circuit.resting_potential.copy()
    start[circuit.silent] = 1.0  # it falls silent for good after a fifth of a second
    recording = circuit.write(tmp_path / "activity.zarr", 2500, noise=0.05, seed=0, start=start)
    fit(recording, tmp_path, n_samples=400, n_opening_samples=opening)
    values, extra = found(tmp_path)
    silent = circuit.graph.pre == circuit.silent
    strong = silent & (np.abs(circuit.weight) > 0.1)

    error = np.abs(values["weight"] - circuit.weight)[strong] / np.abs(circuit.weight[strong])
    if opening:
        assert error.max() < 0.05
        assert extra["resolution"].numpy()[strong].min() > 0.9
    else:
        assert np.median(error) > 0.05


def test_standard_errors_from_activity_alone_are_as_large_as_the_errors(
    recording: Recording, circuit: Circuit, tmp_path: Path
) -> None:
    fit(recording, tmp_path, "finite_difference")
    values, extra = found(tmp_path)
    (checkpoint,) = tmp_path.glob("checkpoint_*.pt")
    model, _ = load_sparse_model(checkpoint)
    _, leak, gain = model.embedding.detach().numpy().T
    resolved = extra["resolution"].numpy() > 0.5
    error = extra["weight_error"].numpy() * (gain / leak)[model.post]
    z = (values["weight"] - circuit.weight)[resolved] / error[resolved]

    assert 0.8 < np.quantile(np.abs(z), 0.68) < 1.25
    assert r2(values["tau"], circuit.time_constant) > 0.97


def test_a_killed_fit_goes_on_to_the_same_bytes(
    recording: Recording, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    save = SearchStore.save
    calls = []

    def dying(store, search, **options) -> None:
        save(store, search, **options)
        calls.append(search)
        if len(calls) == 4:
            raise Killed

    monkeypatch.setattr(SearchStore, "save", dying)
    with pytest.raises(Killed):
        fit(recording, tmp_path)
    monkeypatch.setattr(SearchStore, "save", save)
    fit(recording, tmp_path)

    (before,), (after,) = fitted.glob("*.pt"), tmp_path.glob("*.pt")
    assert before.read_bytes() == after.read_bytes()
    assert (fitted / "history.csv").read_bytes() == (tmp_path / "history.csv").read_bytes()


def test_as_many_threads_as_there_are_make_the_same_bytes(
    recording: Recording, fitted: Path, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            fit(recording, tmp_path / str(threads))
    finally:
        torch.set_num_threads(before)

    (one,), (more,) = (tuple((tmp_path / name).glob("*.pt")) for name in ("1", "3"))
    (usual,) = fitted.glob("*.pt")
    assert one.read_bytes() == more.read_bytes() == usual.read_bytes()


@pytest.mark.parametrize("share", [0.0, np.inf])
def test_rows_are_least_squares_whatever_the_blocks_and_products(
    circuit: Circuit, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0: those of all messages with all others; infinite: those of every receiver's own.
    monkeypatch.setattr(sparse_sums, "_DENSE", share)
    x, y, stimulus = circuit.simulate(800, noise=0.05, seed=3)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])
    whole = [Frames(*(torch.from_numpy(each.T.copy()) for each in (x, y, external)))]
    parts = [
        Frames(*(torch.from_numpy(each[at : at + 130].T.copy()) for each in (x, y, external)))
        for at in range(0, 800, 130)
    ]
    options = {"ridge": 1e-9}  # some senders fire in the same one frame
    rectifier = torch.nn.functional.relu
    one = solve_sparse_rows(whole, circuit.graph, rectifier, **options)
    other = solve_sparse_rows(parts, circuit.graph, rectifier, **options)
    neuron = 70
    edges = circuit.graph.in_edges(neuron)
    columns = [np.ones(800), -x[:, neuron], *np.maximum(x[:, circuit.graph.pre[edges]], 0).T]
    expected = np.linalg.lstsq(np.column_stack(columns).astype(float), y[:, neuron].astype(float))[
        0
    ]

    centred = np.column_stack(columns[1:]) - np.column_stack(columns[1:]).mean(0)
    covariance = np.linalg.inv(centred.T.astype(float) @ centred) * float(one.residual[neuron])
    np.testing.assert_allclose(
        one.unbiased_error[edges], np.sqrt(np.diag(covariance))[1:], rtol=1e-2
    )
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one.weight[edges], expected[2:], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(float(one.leak[neuron]), expected[1], rtol=1e-4)


def test_known_measurement_noise_no_longer_bends_leaks_and_weights(circuit: Circuit) -> None:
    x, _, stimulus = circuit.simulate(6001, noise=0.1, seed=7)
    external = stimulus.external_input(slice(None), n_neurons=x.shape[1])[:-1]
    noise = 0.04 * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    seen = x + noise
    parts = (seen[:-1], np.diff(seen, axis=0) / np.float32(DT), external)
    frames = [Frames(*(torch.from_numpy(each.T.copy()) for each in parts))]
    rectifier = torch.nn.functional.relu
    known = Measurement(std=0.04, dt=DT)

    def errors(measurement: Measurement | None) -> tuple[float, float]:
        rows = sum_frames(frames, circuit.graph, rectifier, measurement=measurement).solve(
            ridge=1e-8
        )
        weight = (rows.weight / rows.leak[torch.as_tensor(circuit.graph.post)]).numpy()
        loud = circuit.graph.pre != circuit.silent
        slope = line_scores(weight[loud], circuit.weight[loud])[1]
        wrong = np.abs(rows.leak.numpy() * circuit.time_constant - 1)
        return float(np.median(wrong)), abs(slope - 1)

    (leak, slope), (leak_after, slope_after) = errors(None), errors(known)

    assert leak_after < 0.3 * leak and leak > 0.05
    assert slope_after < 0.7 * slope  # the rest is the prior's pull towards zero


def test_too_few_frames_are_refused(circuit: Circuit) -> None:
    frames = Frames(*(torch.zeros(circuit.graph.n_neurons, 5) for _ in range(3)))

    with pytest.raises(ValueError, match="5 frames do not determine"):
        solve_sparse_rows([frames], circuit.graph, lambda x: x, ridge=1e-8)


def test_a_graph_without_edges_has_no_transfer_function() -> None:
    empty = Graph(pre=np.empty(0, int), post=np.empty(0, int), n_neurons=3)

    with pytest.raises(ValueError, match="no edges"):
        sparse_run._draw_receivers(empty, 2, np.random.default_rng(0))


@pytest.mark.parametrize("setting", ["alike", "doubtful_edges"])
def test_types_cannot_be_told_of_neurons_without_places(
    recording: Recording, tmp_path: Path, setting: str
) -> None:
    with pytest.raises(ValueError, match=rf"trainer\.{setting} .* no u and v"):
        run_graph_varpro(
            recording,
            config(**{setting: {}}),
            out=tmp_path,
            state=tmp_path,
            seed=0,
            device=torch.device("cpu"),
            progress=False,
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_fit_on_the_gpu_is_that_of_the_cpu(recording: Recording, tmp_path: Path) -> None:
    values = {}
    for device in ("cpu", "cuda"):
        run_graph_varpro(
            recording,
            config(),
            out=tmp_path / device,
            state=tmp_path / "state",
            seed=0,
            device=torch.device(device),
            progress=False,
        )
        values[device] = found(tmp_path / device)[0]

    for name, value in values["cpu"].items():
        np.testing.assert_allclose(values["cuda"][name], value, rtol=1e-3, atol=1e-4)
