"""Graph and stimulus beside a recording: round trip, arithmetic, refusals."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuralgnn.data import Graph, Stimulus, open_recording, recording_from_array

PRE, POST = np.array([2, 0, 1, 2, 3]), np.array([0, 1, 0, 2, 0])
WEIGHT = np.array([1.0, -2.0, 3.0, 0.5, 4.0])


@pytest.fixture
def graph() -> Graph:
    return Graph(pre=PRE, post=POST, n_neurons=7, u=np.arange(7), v=-np.arange(7))


@pytest.fixture
def stimulus() -> Stimulus:
    values = np.random.default_rng(2).random((6, 3), dtype=np.float32)
    frame = np.arange(50) % 6
    return Stimulus(
        values=values, frame=frame, input_neuron=np.array([5, 1]), input_channel=np.array([0, 2])
    )


@pytest.fixture
def driven(tmp_path: Path, activity: np.ndarray, graph: Graph, stimulus: Stimulus) -> Path:
    path = tmp_path / "driven.zarr"
    recording_from_array(path, activity, dt=0.1, graph=graph, stimulus=stimulus)
    return path


def test_graph_and_stimulus_come_back_as_they_were_written(
    driven: Path, graph: Graph, stimulus: Stimulus
) -> None:
    recording = open_recording(driven)

    assert recording.graph is not None and recording.stimulation is not None
    for name in ("pre", "post", "u", "v"):
        np.testing.assert_array_equal(getattr(recording.graph, name), getattr(graph, name))
    for name in ("values", "frame", "input_neuron", "input_channel"):
        np.testing.assert_array_equal(
            getattr(recording.stimulation, name), getattr(stimulus, name)
        )
    recording.verify()


def test_each_input_receives_the_channel_that_is_shown_to_it(
    driven: Path, stimulus: Stimulus
) -> None:
    recording = open_recording(driven)

    shown, received = recording.stimulus([7, 3]), recording.external_input([7, 3])

    assert shown is not None and received is not None
    np.testing.assert_array_equal(shown, stimulus.values[[1, 3]])
    np.testing.assert_array_equal(received[:, 5], shown[:, 0])
    np.testing.assert_array_equal(received[:, 1], shown[:, 2])
    assert not received[:, [0, 2, 3, 4, 6]].any()


def test_a_recording_without_them_says_so(store: Path) -> None:
    recording = open_recording(store)

    assert recording.graph is None
    assert recording.stimulus() is None and recording.external_input() is None
    assert "groups" not in recording.attrs


def test_the_digest_follows_graph_and_stimulus(
    tmp_path: Path, activity: np.ndarray, graph: Graph, stimulus: Stimulus
) -> None:
    brighter = Stimulus(
        values=stimulus.values + 1,
        frame=stimulus.frame,
        input_neuron=stimulus.input_neuron,
        input_channel=stimulus.input_channel,
    )
    digests = []
    for number, driver in enumerate([None, stimulus, brighter]):
        path = tmp_path / f"{number}.zarr"
        recording_from_array(path, activity, dt=0.1, graph=graph, stimulus=driver)
        digests.append(open_recording(path).digest)

    assert len(set(digests)) == 3


def test_a_damaged_graph_is_refused(driven: Path) -> None:
    next((driven / "graph" / "pre" / "c").rglob("0")).unlink()

    with pytest.raises(ValueError, match=r"group graph cannot be read .*truncated"):
        _ = open_recording(driven).graph


def test_xarray_reads_both_groups(driven: Path) -> None:
    edges = xr.open_zarr(driven, group="graph", consolidated=False, chunks=None)
    light = xr.open_zarr(driven, group="stimulus", consolidated=False, chunks=None)

    assert edges.attrs["n_edges"] == edges.sizes["edge"] == 5
    assert dict(light.sizes) == {"stimulus_frame": 6, "channel": 3, "time": 50, "input": 2}


def test_sparse_weights_act_from_pre_on_post(graph: Graph) -> None:
    dense = np.zeros((7, 7))
    for sender, receiver, weight in zip(PRE, POST, WEIGHT, strict=True):
        dense[receiver, sender] = weight

    np.testing.assert_array_equal(graph.matrix(WEIGHT).toarray(), dense)
    assert graph.in_edges(0).tolist() == [2, 0, 4]
    assert graph.in_edges(6).tolist() == []


@pytest.mark.parametrize(
    ("pre", "post", "message"),
    [
        ([0, 7], [1, 2], "edges name neurons 0..7, but there are 0..6"),
        ([0, 1, 0], [1, 2, 1], "1 edges occur twice"),
        ([0, 1], [1], "one entry per edge"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(pre: list[int], post: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph(pre=np.array(pre), post=np.array(post), n_neurons=7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": np.array([0, 6])}, r"frame has values 0..6, expected 0..5"),
        ({"input_channel": np.array([0, 3])}, r"input_channel has values 0..3, expected 0..2"),
        ({"input_neuron": np.array([1, 1])}, "a neuron receives two channels"),
        ({"input_neuron": np.array([1])}, "1 inputs have 2 channels"),
    ],
)
def test_a_stimulus_that_does_not_fit_itself_is_refused(
    stimulus: Stimulus, changes: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Stimulus(**vars(stimulus) | changes)


def test_a_stimulus_of_another_length_than_the_recording_is_refused(
    tmp_path: Path, activity: np.ndarray, stimulus: Stimulus
) -> None:
    with pytest.raises(ValueError, match="a stimulus of 50 time steps for 40 frames"):
        recording_from_array(tmp_path / "a.zarr", activity[:40], dt=0.1, stimulus=stimulus)
