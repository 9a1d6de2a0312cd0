from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuralgnn.data import (
    atomic_path,
    open_dataset,
    read_json,
    recording_from_array,
    save_dataset,
    write_json,
)
from neuralgnn.data.store import stored_content


@pytest.fixture
def dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "r2": (("variant", "frame"), np.array([[0.0, 1.0], [2.0, np.nan]])),
            "n": ("variant", np.array([0, 3])),
        },
        coords={"variant": ["learned", "published"], "frame": [400, 800]},
        attrs={"dt": np.float32(0.5), "horizon": float("nan")},
    )


def test_dataset_comes_back_with_names_and_attributes(tmp_path: Path, dataset) -> None:
    save_dataset(dataset, tmp_path / "a.zarr", config={"seed": 3})

    found = open_dataset(tmp_path / "a.zarr")

    xr.testing.assert_equal(found.load(), dataset)
    assert found.attrs["dt"] == 0.5
    assert found.attrs["horizon"] is None
    assert found.attrs["provenance"]["config"] == {"seed": 3}


def test_saving_leaves_the_dataset_as_it_was(tmp_path: Path, dataset) -> None:
    before = dataset.copy(deep=True)
    save_dataset(dataset, tmp_path / "a.zarr")

    xr.testing.assert_identical(dataset, before)
    assert dataset["variant"].dtype == before["variant"].dtype


def test_same_numbers_give_the_same_bytes(tmp_path: Path, dataset) -> None:
    for name in "ab":
        save_dataset(dataset, tmp_path / name, config={"seed": 3})

    assert stored_content(tmp_path / "a") == stored_content(tmp_path / "b")


def test_older_store_is_replaced_whole(tmp_path: Path, dataset) -> None:
    save_dataset(dataset, tmp_path / "a.zarr")
    save_dataset(dataset[["n"]], tmp_path / "a.zarr")

    assert set(open_dataset(tmp_path / "a.zarr").data_vars) == {"n"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_failed_writing_keeps_the_older_store(tmp_path: Path, dataset) -> None:
    save_dataset(dataset, tmp_path / "a.zarr")
    broken = dataset.assign(bad=("x", np.array([object()])))

    with pytest.raises((TypeError, ValueError)):
        save_dataset(broken, tmp_path / "a.zarr")

    xr.testing.assert_equal(open_dataset(tmp_path / "a.zarr").load(), dataset)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_missing_chunk_is_refused_and_not_read_as_zeros(tmp_path: Path, dataset) -> None:
    save_dataset(dataset, tmp_path / "a.zarr")
    (tmp_path / "a.zarr/n/c/0").unlink()

    with pytest.raises(ValueError, match="array 'n' has 0 of 1 chunk files"):
        open_dataset(tmp_path / "a.zarr")


def test_damaged_chunk_is_refused_when_the_store_is_opened(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(500)
    save_dataset(xr.Dataset({"x": ("time", values)}), tmp_path / "a.zarr")
    file = tmp_path / "a.zarr/x/c/0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    with pytest.raises(ValueError, match=r"a\.zarr/x was changed"):
        open_dataset(tmp_path / "a.zarr")


def test_recording_is_no_dataset(tmp_path: Path) -> None:
    recording_from_array(tmp_path / "a.zarr", np.zeros((20, 2), np.float32), dt=1.0)
    with pytest.raises(ValueError, match="expected 'neuralgnn-dataset'"):
        open_dataset(tmp_path / "a.zarr")


def test_missing_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_dataset(tmp_path / "a.zarr")


def test_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as scratch:
        scratch.write_text("half")
        raise RuntimeError

    assert (tmp_path / "a.txt").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_json_comes_back_with_null_for_what_is_not_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "deep/m.json", {"a": np.float32(0.5), "b": np.nan, "c": (1, "x")})

    assert read_json(tmp_path / "deep/m.json") == {"a": 0.5, "b": None, "c": [1, "x"]}


def test_truncated_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"a": 1')
    with pytest.raises(ValueError, match="is not JSON"):
        read_json(tmp_path / "m.json")


def test_missing_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_json(tmp_path / "m.json")
