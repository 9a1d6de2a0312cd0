"""A stimulus that is not given: exact recovery, what is never read, what cannot be told apart."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.analyse.fly import analyse_graph
from neuralgnn.analyse.fly.stimulus import StimulusScale, in_true_scale
from neuralgnn.config.fit import FitConfig
from neuralgnn.data import (
    Graph,
    Recording,
    Stimulus,
    open_recording,
    recording_from_array,
    write_json,
)
from neuralgnn.data.recording import open_truth
from neuralgnn.models import AffineGNN, load_sparse_model
from neuralgnn.models.hidden_stimulus import HiddenStimulus
from neuralgnn.plot.figures import FIGURES
from neuralgnn.train import select
from neuralgnn.train.varpro import sparse_run
from neuralgnn.train.varpro.sparse_run import run_graph_varpro

DT = 0.02
N_INPUT_TYPES = 3


@dataclass(frozen=True)
class Eye:
    """Columns of a lattice of extent 2, with three inputs and three other cells in each."""

    graph: Graph
    weight: np.ndarray
    time_constant: np.ndarray
    resting_potential: np.ndarray
    types: np.ndarray
    noise: float = 0.05

    @property
    def n_columns(self) -> int:
        return int((self.types == 0).sum())

    @property
    def inputs(self) -> np.ndarray:
        return np.flatnonzero(self.types < N_INPUT_TYPES)

    def write(
        self, path: Path, n_frames: int, *, seed: int = 0, told: float | None = None
    ) -> Recording:
        """Records it; ``told`` is written in place of every value of the stimulus."""
        rng = np.random.default_rng(seed)
        light = rng.random((n_frames, self.n_columns)).astype(np.float32)
        light = 0.6 * light + 0.4 * light[:, :1]
        channel = self.inputs % self.n_columns
        matrix = self.graph.matrix(self.weight)
        x, rates = np.empty((2, n_frames, len(self.types)), dtype=np.float32)
        v = self.resting_potential.copy()
        for frame in range(n_frames):
            external = np.zeros(len(v))
            external[self.inputs] = light[frame, channel]
            x[frame] = v
            seen = x[frame].astype(float)
            arriving = matrix @ np.maximum(seen, 0) + external + self.resting_potential
            rates[frame] = (arriving - seen) / self.time_constant
            v = seen + DT * rates[frame] + self.noise * rng.standard_normal(len(v))
        stimulus = Stimulus(
            values=light if told is None else np.full_like(light, told),
            frame=np.arange(n_frames),
            input_neuron=self.inputs,
            input_channel=channel,
        )
        truth = xr.Dataset(
            {
                "weight": ("edge", self.weight),
                "time_constant": ("neuron", self.time_constant),
                "resting_potential": ("neuron", self.resting_potential),
                "type": ("neuron", self.types),
                "cell_type": ("type_index", np.array(list("ABCDEF"), dtype=object)),
            }
        )
        recording_from_array(
            path, x, dt=DT, drift=rates, truth=truth, graph=self.graph, stimulus=stimulus,
            time_unit="s",
        )  # fmt: skip
        return open_recording(path)


def make_eye(*, shared_senders: bool) -> Eye:
    rng = np.random.default_rng(3)
    places = [(u, v) for u in range(-2, 3) for v in range(-2, 3) if abs(u + v) <= 2]
    n_columns = len(places)
    types = np.repeat(np.arange(6), n_columns)
    n = len(types)
    acting = rng.random((n, n)) < 0.08
    np.fill_diagonal(acting, False)
    of_column = acting[: N_INPUT_TYPES * n_columns].reshape(N_INPUT_TYPES, n_columns, n)
    if not shared_senders:
        of_column[0] &= ~of_column.all(0)
    post, pre = np.nonzero(acting)
    strength = rng.normal(0, 0.15, (6, 6))
    weight = strength[types[post], types[pre]] * rng.uniform(0.8, 1.2, len(pre))
    tau = np.array([0.021, 0.025, 0.03, 0.05, 0.1, 0.06])[types]
    rest = np.array([0.3, 0.5, 0.4, 0.1, 0.5, 0.2])[types]
    u, v = np.tile(places, (6, 1)).T
    graph = Graph(pre=pre, post=post, n_neurons=n, u=u, v=v)
    return Eye(graph, weight, tau, rest, types)


@pytest.fixture(scope="module")
def eye() -> Eye:
    """No sender acts on all inputs of a column."""
    return make_eye(shared_senders=False)


@pytest.fixture(scope="module")
def recording(eye: Eye, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("eye")
    replace(eye, noise=0.0).write(folder / "test.zarr", 200, seed=1)
    return eye.write(folder / "activity.zarr", 2000)


def fit(recording: Recording, out: Path, **hidden) -> tuple[AffineGNN, dict]:
    small = {"siren_frames": 60, "siren_hidden": 24, "siren_steps": 60, "siren_batch_size": 256}
    trainer = {
        "kind": "varpro_graph", "starts": ["rectifying"], "n_samples": 1500,
        "n_search_samples": 500, "n_receivers": 30, "n_knots": 12,
        "hidden_stimulus": {**small, **hidden},
    }  # fmt: skip
    settings = {"target": {"kind": "drift"}, "trainer": trainer}
    run_graph_varpro(
        recording,
        FitConfig.model_validate(settings),
        out=out,
        state=out / "state",
        seed=0,
        device=torch.device("cpu"),
        progress=False,
    )
    (checkpoint,) = out.glob("checkpoint_*.pt")
    model, about = load_sparse_model(checkpoint)
    assert isinstance(model, AffineGNN)
    return model, about["extra"]


Fitted = tuple[AffineGNN, dict, Path]


@pytest.fixture(scope="module")
def fitted(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    out = tmp_path_factory.mktemp("fit")
    return *fit(recording, out), out


def test_stimulus_and_inputs_come_out_but_for_the_mean_rest_of_each_column(
    recording: Recording, eye: Eye, fitted: Fitted
) -> None:
    model, extra, _ = fitted
    hidden = HiddenStimulus.of(extra["hidden_stimulus"])
    found = hidden.at(recording.activity(), recording.drift())
    true = recording.stimulus()
    assert true is not None
    offset = eye.resting_potential[eye.inputs].mean()

    np.testing.assert_allclose(found - offset, true, atol=2e-3)
    np.testing.assert_allclose(hidden.time_constant, eye.time_constant[eye.inputs], rtol=1e-3)
    drive, leak, gain = model.embedding.detach().double().numpy().T
    inputs = eye.inputs
    np.testing.assert_allclose(1 / leak, eye.time_constant, rtol=2e-3)
    np.testing.assert_allclose((gain / leak)[inputs], 1, rtol=2e-3)
    np.testing.assert_allclose(
        (drive / leak)[inputs], eye.resting_potential[inputs] - offset, atol=5e-3
    )
    into = np.isin(eye.graph.post, inputs) & (extra["resolution"].numpy() > 0.99)
    weight = model.weight.detach().numpy() * (gain / leak)[eye.graph.post]
    np.testing.assert_allclose(weight[into], eye.weight[into], atol=5e-3)


def test_a_sender_of_all_inputs_of_a_column_is_marked_as_undecided(tmp_path: Path) -> None:
    eye = make_eye(shared_senders=True)
    _, extra = fit(eye.write(tmp_path / "activity.zarr", 2000), tmp_path, siren_frames=0)
    heard = np.isin(eye.graph.post, eye.inputs)
    pairs = (eye.graph.post % eye.n_columns) * len(eye.types) + eye.graph.pre
    every = np.bincount(pairs[heard], minlength=pairs.max() + 1)[pairs] == N_INPUT_TYPES
    resolution = extra["resolution"].numpy()

    assert every[heard].sum() >= N_INPUT_TYPES
    np.testing.assert_allclose(resolution[heard & every], 2 / 3, atol=0.01)
    assert np.median(resolution[heard & ~every]) > 0.999


def test_values_of_the_stimulus_are_never_read(eye: Eye, fitted: Fitted, tmp_path: Path) -> None:
    model, extra, before = fitted
    blind = eye.write(tmp_path / "activity.zarr", 2000, told=np.nan)
    other, found = fit(blind, tmp_path)

    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    assert (before / "history.csv").read_bytes() == (tmp_path / "history.csv").read_bytes()
    torch.testing.assert_close(found, extra, rtol=0, atol=0)


@pytest.mark.parametrize("stage", ["find_stimulus", "fit_siren", "save_checkpoint"])
def test_a_fit_killed_after_its_search_goes_on_to_the_same_bytes(
    recording: Recording,
    fitted: Fitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    class Killed(Exception):
        pass

    def dying(*args, **options) -> None:
        raise Killed

    before = fitted[2]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(sparse_run, stage, dying)
        fit(recording, tmp_path)
    fit(recording, tmp_path)

    (one,), (other,) = before.glob("*.pt"), tmp_path.glob("*.pt")
    assert one.read_bytes() == other.read_bytes()
    assert (before / "history.csv").read_bytes() == (tmp_path / "history.csv").read_bytes()


def test_a_checkpoint_is_selected_by_the_stimulus_that_was_found(
    eye: Eye, fitted: Fitted, tmp_path: Path
) -> None:
    """A true one of NaN would make its error one."""
    folder = tmp_path / "fit"
    blind = eye.write(tmp_path / "activity.zarr", 2000, told=np.nan)
    fit(blind, folder)
    (checkpoint,) = folder.glob("checkpoint_*.pt")
    write_json(folder / "training.json", {"checkpoints": [{"file": checkpoint.name, "step": 1}]})
    chosen = select(blind, folder, target_kind="drift", validation_fraction=0.1, device="cpu")

    assert chosen["error"] < 1e-3


def test_inputs_that_do_the_same_are_refused(eye: Eye, tmp_path: Path) -> None:
    alone = ~np.isin(eye.graph.post, eye.inputs)
    inputs = eye.types < N_INPUT_TYPES
    alike = replace(
        eye,
        graph=replace(eye.graph, pre=eye.graph.pre[alone], post=eye.graph.post[alone]),
        weight=eye.weight[alone],
        time_constant=np.where(inputs, 0.02, eye.time_constant),
        resting_potential=np.where(inputs, 0.4, eye.resting_potential),
        noise=0.0,
    )

    with pytest.raises(ValueError, match=r"inputs of channel 0 \(neurons 0, 19, 38\) cannot be"):
        fit(alike.write(tmp_path / "activity.zarr", 2000), tmp_path)


def test_a_column_with_one_input_is_refused(eye: Eye, tmp_path: Path) -> None:
    single = replace(eye, types=np.maximum(eye.types, 2) - 2)
    recording = single.write(tmp_path / "activity.zarr", 600)
    assert recording.stimulation is not None

    few = replace(
        recording.stimulation,
        input_neuron=recording.stimulation.input_neuron[:19],
        input_channel=recording.stimulation.input_channel[:19],
    )
    recording.__dict__["stimulation"] = few
    with pytest.raises(ValueError, match="channel 0 is received by neuron 0 alone"):
        fit(recording, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": {"kind": "finite_difference"}}, "needs target.kind = 'drift'"),
        ({"trainer": {"measurement_std": 0.1}}, "measurement_std = 0.1"),
    ],
)
def test_noise_in_the_rates_is_refused_where_settings_enter(settings: dict, message: str) -> None:
    trainer = {"kind": "varpro_graph", "hidden_stimulus": {}, **settings.get("trainer", {})}
    target = settings.get("target", {"kind": "drift"})

    with pytest.raises(ValueError, match=message):
        FitConfig.model_validate({"target": target, "trainer": trainer})


def test_a_model_of_another_scale_is_the_same_in_the_true_one(
    recording: Recording, fitted: Fitted
) -> None:
    model, extra, _ = fitted
    assert recording.stimulation is not None
    inputs = recording.stimulation.input_neuron
    scale = StimulusScale(slope=2.0, offset=-0.7)
    other, scaled = in_true_scale(model, extra, scale)
    x = torch.from_numpy(recording.activity(slice(0, 20)))
    found = torch.zeros_like(x)
    found[:, inputs] = torch.rand(20, len(inputs), generator=torch.Generator().manual_seed(0))
    true = torch.zeros_like(x)
    true[:, inputs] = -0.7 + 2.0 * found[:, inputs]

    with torch.no_grad():
        torch.testing.assert_close(other(x, true), model(x, found), atol=1e-3, rtol=1e-4)
    share = (scaled["weight_error"] / other.weight) / (extra["weight_error"] / model.weight)
    torch.testing.assert_close(share, torch.ones_like(share))


@pytest.fixture(scope="module")
def analysed(recording: Recording, fitted: Fitted) -> tuple[dict[str, xr.Dataset], dict]:
    model, extra, _ = fitted
    return analyse_graph(
        recording,
        open_truth(recording.path),
        open_recording(recording.path.with_name("test.zarr")),
        model,
        extra=extra,
        validation_fraction=0.1,
    )


def test_scores_are_those_of_the_true_scale(
    analysed: tuple[dict[str, xr.Dataset], dict],
) -> None:
    value = {name: metric["value"] for name, metric in analysed[1].items()}

    assert value["stimulus_r2"] > 0.9999
    assert value["stimulus_slope"] == pytest.approx(1, abs=2e-3)
    assert value["stimulus_offset"] == pytest.approx(-0.4, abs=5e-3)
    assert value["resting_potential_r2"] > 0.99
    assert value["rollout_rmse"] < 0.01
    assert value["stimulus_siren_r2"] < value["stimulus_r2"]


def test_the_figure_shows_true_found_and_learnt_frames(
    analysed: tuple[dict[str, xr.Dataset], dict],
) -> None:
    spec = FIGURES["fly_stimulus"]
    figure = spec.function({"prediction": analysed[0]["prediction"]})

    letters = {text.get_text() for ax in figure.axes for text in ax.texts} & set("abcde")
    assert letters == set("abc")
    with pytest.raises(ValueError, match="stimulus was given"):
        blank = analysed[0]["prediction"].drop_vars("stimulus_true")
        spec.function({"prediction": blank})
