"""Scratch folders of killed, failed and living writers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from neuralgnn.data import atomic_path, remove_leftovers, save_dataset, write_json
from neuralgnn.data.scratch import scratch_folder

_WRITER = """
import sys, time
from neuralgnn.data.store import atomic_path
with atomic_path(sys.argv[1]) as scratch:
    scratch.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A folder in which a process was killed while it wrote ``m.json``."""
    folder = tmp_path_factory.mktemp("killed")
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder / "m.json")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        remove_leftovers(folder)
        assert any(folder.iterdir()), "the scratch folder of a living writer was removed"
        os.kill(process.pid, signal.SIGKILL)
    return folder


@pytest.fixture
def leftover(killed: Path, tmp_path: Path) -> Path:
    """A copy of what the killed process left."""
    for path in killed.iterdir():
        subprocess.run(["cp", "-r", str(path), str(tmp_path)], check=True)
    assert [path.name[:8] for path in tmp_path.iterdir()] == [".m.json."]
    return tmp_path


def test_the_next_write_of_the_same_file_removes_what_a_killed_one_left(leftover: Path) -> None:
    write_json(leftover / "m.json", {"a": 1})

    assert [path.name for path in leftover.iterdir()] == ["m.json"]


def test_writing_another_file_leaves_it_alone(leftover: Path) -> None:
    write_json(leftover / "n.json", {"a": 1})

    assert len(list(leftover.iterdir())) == 2


def test_a_folder_can_be_cleaned_as_a_whole(leftover: Path) -> None:
    (leftover / "mine.scratch").mkdir()
    (leftover / ".mine").mkdir()

    remove_leftovers(leftover)

    assert {path.name for path in leftover.iterdir()} == {"mine.scratch", ".mine"}


def test_a_missing_folder_has_no_leftovers(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "absent")

    assert not (tmp_path / "absent").exists()


def test_nested_writes_of_one_path_keep_out_of_each_other_s_way(tmp_path: Path) -> None:
    dataset = xr.Dataset({"n": ("variant", [0, 3])})
    save_dataset(dataset, tmp_path / "a.zarr")
    with atomic_path(tmp_path / "a.zarr") as outer:
        save_dataset(dataset, tmp_path / "a.zarr")
        save_dataset(dataset, outer)

    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_a_name_with_wildcards_is_taken_literally(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "abc") as other, scratch_folder(tmp_path / "*") as ours:
        assert other.is_dir()
        assert ours.is_dir()
