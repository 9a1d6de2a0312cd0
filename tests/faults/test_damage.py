"""Damaged stores and checkpoints: each is refused with one message that names the place."""

import ast
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from neuralgnn.config.source import _Loader
from neuralgnn.data import (
    RecordingWriter,
    import_recording,
    open_dataset,
    open_recording,
    open_truth,
)
from neuralgnn.models.checkpoint import load_model
from neuralgnn.simulate.connectivity import draw_weights
from neuralgnn.simulate.fly.parameters import _load
from neuralgnn.steps.job import USER_ERRORS
from neuralgnn.train.resume import ResumePoint

from .steps import SIMULATION

Damage = Callable[[Path], None]


def cut(share: float) -> Damage:
    """Keeps the first part of a file."""

    def damage(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])

    return damage


def flip(where: float | bytes, old: bytes = b"", new: bytes = b"") -> Damage:
    """Flips a bit at a place, or changes bytes by others of the same length."""

    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        if isinstance(where, bytes):
            place = data.index(where) + where.index(old)
            data[place : place + len(old)] = new
        else:
            data[min(int(len(data) * where), len(data) - 1)] ^= 1
        file.write_bytes(data)

    return damage


def flip_in(record: str) -> Damage:
    """Flips a bit of a record in a zip archive; between records there are gaps."""

    def damage(file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(f"/{record}")]
            content = archive.read(name)
        data = bytearray(file.read_bytes())
        data[data.index(content) + len(content) // 2] ^= 1
        file.write_bytes(data)

    return damage


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


CHUNK, ROOT_META, ARRAY_META = "activity/c/3/0", "zarr.json", "activity/zarr.json"
RECORDING_DAMAGE = {
    "chunk cut to half": (CHUNK, cut(0.5)),
    "chunk cut by its last byte": (CHUNK, cut(0.9999)),
    "chunk empty": (CHUNK, empty),
    "chunk missing": (CHUNK, remove),
    "chunk a folder": (CHUNK, replace_by_folder),
    "bit flipped in the first byte of a chunk": (CHUNK, flip(0.0)),
    "bit flipped in the middle of a chunk": (CHUNK, flip(0.5)),
    "bit flipped in the last byte of a chunk": (CHUNK, flip(1.0)),
    "bit flipped in a chunk of the drift": ("drift/c/0/0", flip(0.3)),
    "metadata cut to half": (ROOT_META, cut(0.5)),
    "metadata empty": (ROOT_META, empty),
    "metadata missing": (ROOT_META, remove),
    "bit flipped in the first byte of the metadata": (ROOT_META, flip(0.0)),
    "bit flipped in the middle of the metadata": (ROOT_META, flip(0.5)),
    "another time step": (ROOT_META, flip(b'"dt": 0.01', b"1", b"3")),
    "another seed": (ROOT_META, flip(b'"seed": 1', b"1", b"2")),
    "another format": (ROOT_META, flip(b"neuralgnn-recording", b"recording", b"recordinh")),
    "another format version": (ROOT_META, flip(b'"format_version": 2', b"2", b"3")),
    "not complete": (ROOT_META, flip(b'"complete": true', b"true", b"null")),
    "metadata of an array cut": (ARRAY_META, cut(0.7)),
    "metadata of an array missing": (ARRAY_META, remove),
    "fewer frames in the metadata of an array": (ARRAY_META, flip(b"6000", b"6000", b"5000")),
    "another type in the metadata of an array": (
        ARRAY_META,
        flip(b'"float32"', b"float32", b"uint32 "),
    ),
    "metadata of the drift": ("drift/zarr.json", flip(0.4)),
}
TRUTH_DAMAGE = {
    "truth cut": ("truth/weight/c/0/0", cut(0.5)),
    "bit flipped in the truth": ("truth/weight/c/0/0", flip(0.6)),
    "truth without metadata": ("truth/zarr.json", remove),
}
DATASET_DAMAGE = {
    "bit flipped in the metadata of an analysis": ("zarr.json", flip(0.6)),
    "analysis cut": ("learned_weight/c/0/0", cut(0.4)),
    "bit flipped in an analysis": ("learned_weight/c/0/0", flip(0.5)),
}
MODEL_DAMAGE = {
    "model cut to half": cut(0.5),
    "model cut by a byte": cut(0.9999),
    "model empty": empty,
    "model missing": remove,
    "bit flipped in the description of a model": flip_in("data.pkl"),
    "bit flipped in a tensor of a model": flip_in("data/0"),
}


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    return target


def message_of(use: Callable[[], object]) -> str:
    """What a use is refused with; it has to be an error that users get as one line."""
    with pytest.raises(USER_ERRORS) as refused:
        use()
    return str(refused.value)


@pytest.mark.parametrize("name", RECORDING_DAMAGE)
def test_a_damaged_recording_is_refused(name: str, whole: Path, tmp_path: Path) -> None:
    path = copy(whole / "activity.zarr", tmp_path / "a.zarr")
    file, damage = RECORDING_DAMAGE[name]
    damage(path / file)

    def read() -> None:
        recording = open_recording(path)
        recording.activity()
        recording.drift()

    assert str(path) in message_of(read)


@pytest.mark.parametrize("name", TRUTH_DAMAGE)
def test_a_damaged_truth_is_refused_and_the_fit_does_not_mind(
    name: str, whole: Path, tmp_path: Path
) -> None:
    path = copy(whole / "activity.zarr", tmp_path / "a.zarr")
    file, damage = TRUTH_DAMAGE[name]
    damage(path / file)

    def read() -> None:
        truth = open_truth(path)
        assert truth is not None
        truth.load()

    assert message_of(read)
    assert open_recording(path).activity().shape == (6000, 20)


@pytest.mark.parametrize("name", DATASET_DAMAGE)
def test_a_damaged_analysis_is_refused(name: str, whole: Path, tmp_path: Path) -> None:
    path = copy(whole / "sgd/analysis/weights.zarr", tmp_path / "w.zarr")
    file, damage = DATASET_DAMAGE[name]
    damage(path / file)

    assert message_of(lambda: open_dataset(path).load())


@pytest.mark.parametrize("name", MODEL_DAMAGE)
def test_a_damaged_model_is_refused(name: str, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    shutil.copyfile(whole / "sgd/model.pt", path)
    MODEL_DAMAGE[name](path)

    assert str(path) in message_of(lambda: load_model(path))


def test_a_bit_flipped_anywhere_in_a_model_is_refused_or_changes_nothing(
    whole: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt"
    original = (whole / "sgd/model.pt").read_bytes()
    path.write_bytes(original)
    expected, about = load_model(path)
    refused = 0
    for place in np.random.default_rng(0).integers(len(original), size=60).tolist():
        changed = bytearray(original)
        changed[place] ^= 1 << (place % 7)
        path.write_bytes(changed)
        try:
            found, found_about = load_model(path)
        except USER_ERRORS as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert found_about == about
            for name, value in found.state_dict().items():
                assert torch.equal(value, expected.state_dict()[name]), place
    assert refused > 20


@pytest.mark.faults
def test_more_than_thirty_kinds_of_damage_are_refused(
    whole: Path, tmp_path: Path, record_count: Callable[..., None]
) -> None:
    refusing: dict[str, tuple[dict[str, Any], Callable[..., None]]] = {
        "recordings": (RECORDING_DAMAGE, test_a_damaged_recording_is_refused),
        "truths": (TRUTH_DAMAGE, test_a_damaged_truth_is_refused_and_the_fit_does_not_mind),
        "analyses": (DATASET_DAMAGE, test_a_damaged_analysis_is_refused),
        "models": (MODEL_DAMAGE, test_a_damaged_model_is_refused),
    }
    n_refused = 0
    for what, (kinds, refused) in refusing.items():
        for number, name in enumerate(kinds):
            folder = tmp_path / what / str(number)
            folder.mkdir(parents=True)
            refused(name, whole, folder)
            n_refused += 1
    assert n_refused >= 30
    record_count("damaged stores", n_refused, n_refused)


def test_every_byte_of_the_metadata_counts(whole: Path, tmp_path: Path) -> None:
    """A flipped bit is refused, or was in the white space that JSON does not mind."""
    path = copy(whole / "activity.zarr", tmp_path / "a.zarr")
    file = path / "zarr.json"
    original = file.read_bytes()
    for place in np.random.default_rng(0).integers(len(original), size=100).tolist():
        changed = bytearray(original)
        changed[place] ^= 1 << (place % 7)
        file.write_bytes(changed)
        try:
            found = open_recording(path)
        except USER_ERRORS as error:
            assert str(path) in str(error)
        else:
            file.write_bytes(original)
            assert found.attrs == open_recording(path).attrs, place


class _Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def _trapped_npz(path: Path, trap: Path) -> None:
    np.savez(path, _key=np.array([_Trap(trap)], dtype=object))


def _trapped_zip(path: Path, trap: Path, whole: Path) -> None:
    """A real checkpoint with its pickle replaced."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, pickle.dumps(_Trap(trap)) if name.endswith("data.pkl") else data)


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_a_checkpoint_that_asks_for_code_to_run_does_nothing(
    kind: str, whole: Path, tmp_path: Path
) -> None:
    path, trap = tmp_path / "model.pt", tmp_path / "sprung"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(_Trap(trap)))
    elif kind == "torch":
        torch.save({"state": _Trap(trap)}, path)
    else:
        _trapped_zip(path, trap, whole / "sgd/model.pt")

    assert str(path) in message_of(lambda: load_model(path))
    assert ResumePoint(path, key="k").load() is None
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_file_that_asks_for_code_to_run_does_nothing(suffix: str, tmp_path: Path) -> None:
    path, trap = tmp_path / f"a{suffix}", tmp_path / "sprung"
    save = np.save if suffix == ".npy" else np.savez
    save(path, np.array([[_Trap(trap)]], dtype=object))

    assert str(path) in message_of(lambda: import_recording(path, tmp_path / "a.zarr", dt=1.0))
    assert not trap.exists()


def _trapped_zarr(path: Path, trap: Path, *, where: str) -> None:
    """A zarr 2 array whose chunks are pickles, by its own account."""
    pickled = {"id": "pickle", "protocol": 5}
    path.mkdir()
    about = {
        "zarr_format": 2,
        "shape": [20, 3],
        "chunks": [20, 3],
        "dtype": "|O" if where == "objects" else "<f4",
        "compressor": pickled if where == "compressor" else None,
        "filters": None if where == "compressor" else [pickled],
        "fill_value": None,
        "order": "C",
    }
    (path / ".zarray").write_text(json.dumps(about))
    (path / "0.0").write_bytes(pickle.dumps(_Trap(trap)))


@pytest.mark.parametrize("where", ["objects", "filter", "compressor"])
def test_a_zarr_array_that_asks_for_code_to_run_does_nothing(where: str, tmp_path: Path) -> None:
    path, trap = tmp_path / "a.zarr", tmp_path / "sprung"
    _trapped_zarr(path, trap, where=where)

    assert str(path) in message_of(lambda: import_recording(path, tmp_path / "b.zarr", dt=1.0))
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
def test_weights_that_ask_for_code_to_run_do_nothing(suffix: str, tmp_path: Path) -> None:
    path, trap = tmp_path / f"w{suffix}", tmp_path / "sprung"
    if suffix == ".pt":
        torch.save({"weight": _Trap(trap)}, path)
    else:
        save = np.save if suffix == ".npy" else np.savez
        save(path, np.array([[_Trap(trap)]], dtype=object))
    connectivity = {"kind": "file", "path": str(path)}
    config = SIMULATION.model_validate(SIMULATION.model_dump() | {"connectivity": connectivity})

    assert str(path) in message_of(lambda: draw_weights(config.connectivity, n_neurons=20, seed=1))
    assert not trap.exists()


def test_parameters_of_the_fly_that_ask_for_code_to_run_do_nothing(tmp_path: Path) -> None:
    path, trap = tmp_path / "best_chkpt", tmp_path / "sprung"
    torch.save({"network": _Trap(trap)}, path)

    assert str(path) in message_of(lambda: _load(path))
    assert not trap.exists()


ROOT = Path(__file__).parents[2]
PROGRAMS = [
    path
    for folder in ("neuralgnn", "workflow", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
]
SAFELY = {
    ("torch", "load"): ("weights_only", True),
    ("np", "load"): ("allow_pickle", False),
    ("zarr", "load"): None,
    ("pickle", "load"): None,
    ("pickle", "loads"): None,
    ("yaml", "load"): ("Loader", "_Loader"),  # a child of the safe one, see below
    ("yaml", "unsafe_load"): None,
    ("yaml", "full_load"): None,
}
"""Calls that could run what a file says: the argument that forbids it, None: no such call."""


def test_no_program_unpickles_what_it_is_given() -> None:
    assert len(PROGRAMS) > 100
    for path in PROGRAMS:
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            of = (getattr(call.func.value, "id", None), call.func.attr)
            if of not in SAFELY:
                continue
            needed = SAFELY[of]
            assert needed is not None, f"{path}:{call.lineno} calls {'.'.join(map(str, of))}"
            given = {word.arg: word.value for word in call.keywords}
            value = given.get(needed[0])
            found = value.value if isinstance(value, ast.Constant) else getattr(value, "id", None)
            assert found == needed[1], f"{path}:{call.lineno} lacks {needed}"
    assert issubclass(_Loader, yaml.SafeLoader)


def test_a_resume_state_that_asks_for_code_to_run_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.zarr.partial").mkdir()
    (tmp_path / "a.zarr.partial/zarr.json").write_text("{}")
    _trapped_npz(tmp_path / "a.zarr.partial.npz", tmp_path / "sprung")

    writer = RecordingWriter(tmp_path / "a.zarr", n_frames=9, n_neurons=2, dt=1.0, key="k")

    assert writer.resume_frame == 0
    assert not (tmp_path / "sprung").exists()
