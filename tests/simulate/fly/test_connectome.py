"""The compiled connectome: published counts, its geometry, refusals."""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial
from matplotlib.path import Path as Polygon

from neuralgnn.simulate.fly import Connectome, compile_connectome, connectome
from neuralgnn.simulate.fly.lattice import columns, n_columns

ENVS = Path(__file__).parents[3] / "envs"


@pytest.mark.parametrize(
    ("extent", "n_cells", "n_edges", "n_loops", "n_excitatory"),
    [(8, 13_741, 434_112, 3_724, 282_123), (15, 45_669, 1_513_231, 12_380, 983_980)],
)
def test_counts_are_those_of_the_published_network(
    extent: int, n_cells: int, n_edges: int, n_loops: int, n_excitatory: int
) -> None:
    compiled = compile_connectome(extent)

    assert (compiled.n_cells, compiled.n_edges) == (n_cells, n_edges)
    assert (compiled.pre == compiled.post).sum() == n_loops
    assert (compiled.pair_sign[compiled.pair] > 0).sum() == n_excitatory
    assert len(compiled.types) == 65
    assert (len(compiled.pair_sign), len(compiled.filter_n_syn)) == (604, 2355)


def test_without_filling_only_reported_connections_remain() -> None:
    assert compile_connectome(8, n_syn_fill=0).n_edges == 390_798


def test_degrees_are_those_of_the_published_network(whole: Connectome) -> None:
    received = np.bincount(whole.post, minlength=whole.n_cells)
    sent = np.bincount(whole.pre, minlength=whole.n_cells)

    assert (received.max(), np.median(received), (received == 0).sum()) == (208, 19, 44)
    assert (sent.max(), (sent == 0).sum()) == (256, 462)
    assert len(np.unique(whole.pre * whole.n_cells + whole.post)) == whole.n_edges


def test_cells_come_type_by_type_and_two_types_skip_columns(
    eye: Connectome, whole: Connectome
) -> None:
    counts = dict(zip(whole.types, np.bincount(whole.type), strict=True))

    assert counts.pop("Lawf1") == counts.pop("Lawf2") == 35
    assert set(counts.values()) == {217}
    assert np.all(np.diff(whole.type) >= 0)
    np.testing.assert_array_equal(whole.input_cells, np.arange(8 * 217))
    first = eye.type == 0
    np.testing.assert_array_equal(np.stack([eye.u, eye.v], axis=-1)[first], columns(2))


def test_every_edge_of_an_entry_has_the_same_types_and_offset(eye: Connectome) -> None:
    along = np.stack([eye.u[eye.post] - eye.u[eye.pre], eye.v[eye.post] - eye.v[eye.pre]])
    ends = np.stack([eye.type[eye.pre], eye.type[eye.post]])
    for values in (*along, *ends):
        low, high = np.full(2355, 99), np.full(2355, -99)
        np.minimum.at(low, eye.filter, values)
        np.maximum.at(high, eye.filter, values)
        used = high >= low
        np.testing.assert_array_equal(low[used], high[used])
    np.testing.assert_array_equal(ends, eye.pair_types[eye.pair].T)


def test_a_small_lattice_is_the_middle_of_a_large_one(eye: Connectome) -> None:
    large = compile_connectome(4)
    inside = np.max(np.abs([large.u, large.v, large.u + large.v]), axis=0) <= 2
    kept = inside[large.pre] & inside[large.post]
    number = np.cumsum(inside) - 1

    def edges(pre: np.ndarray, post: np.ndarray, entry: np.ndarray) -> set[tuple[int, ...]]:
        return set(zip(pre.tolist(), post.tolist(), entry.tolist(), strict=True))

    assert edges(eye.pre, eye.post, eye.filter) == edges(
        number[large.pre[kept]], number[large.post[kept]], large.filter[kept]
    )


def test_filling_agrees_with_a_hull_and_a_point_in_polygon_test_in_floating_point() -> None:
    content = json.loads(connectome.connectome_file().read_bytes())
    n_filled = 0
    for edge in content["edges"]:
        known = [tuple(offset) for offset, _ in edge["offsets"]]
        if len(known) < 3 or np.linalg.matrix_rank(np.array(known) - known[0]) < 2:
            continue
        corners = np.array(known)[scipy.spatial.ConvexHull(known).vertices]
        (low_u, low_v), (high_u, high_v) = np.min(known, axis=0), np.max(known, axis=0)
        grid = [(u, v) for u in range(low_u, high_u + 1) for v in range(low_v, high_v + 1)]
        inside = Polygon(corners).contains_points(grid)
        expected = [p for p, is_in in zip(grid, inside, strict=True) if is_in and p not in known]

        found = connectome._filled(edge["offsets"], 1.0)[len(known) :]

        assert [offset for offset, _ in found] == expected, (edge["src"], edge["tar"])
        n_filled += len(found)
    assert n_filled > 200


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(connectome, "distribution", missing)

    with pytest.raises(FileNotFoundError, match=r"flyvis, which is not installed: pip install"):
        compile_connectome(1)


def test_a_missing_file_is_named_with_what_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Emptied:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(connectome, "distribution", lambda name: Emptied())

    with pytest.raises(FileNotFoundError, match=r"json does not exist; .*flyvis==1\.2\.0"):
        connectome.compile_connectome(1)


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "connectome.json"
    path.write_bytes(connectome.connectome_file().read_bytes() + b" ")

    with pytest.raises(ValueError, match=r"SHA-256 \w+…, expected bfbb0766251f…: .*altered"):
        compile_connectome(1, path=path)


def test_an_extent_without_cells_is_refused() -> None:
    with pytest.raises(ValueError, match=r"extent -1 has no cells; allowed: 0 and above"):
        compile_connectome(-1)


def test_the_version_that_is_asked_for_is_the_pinned_one() -> None:
    pin = (ENVS / "fly.txt").read_text().splitlines()[-1]

    assert pin in connectome._INSTALL
    assert n_columns(15) == 721
