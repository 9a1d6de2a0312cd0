import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from neuralgnn.models import AssemblyGNN, load_model, save_checkpoint
from neuralgnn.models.checkpoint import read_checkpoint, write_atomically


@pytest.fixture
def model() -> AssemblyGNN:
    return AssemblyGNN(
        5,
        embedding_dim=3,
        transfer_input="sender",
        hidden=4,
        activity_scale=2.5,
        generator=torch.Generator().manual_seed(0),
    )


@pytest.fixture
def file(tmp_path: Path, model: AssemblyGNN) -> Path:
    save_checkpoint(tmp_path / "model.pt", model, step=7, provenance={"seed": 1})
    return tmp_path / "model.pt"


def test_loaded_model_predicts_the_same(file: Path, model: AssemblyGNN) -> None:
    loaded, meta = load_model(file)

    x = torch.randn(3, 5)
    assert torch.equal(loaded(x), model(x))
    assert loaded.arguments == model.arguments
    assert meta == {"step": 7, "provenance": {"seed": 1}, "extra": {}}


def test_loading_leaves_the_global_random_state_alone(file: Path) -> None:
    before = torch.get_rng_state()

    load_model(file)

    assert torch.equal(torch.get_rng_state(), before)


def test_equal_models_give_equal_bytes_under_any_name(
    file: Path, model: AssemblyGNN, tmp_path: Path
) -> None:
    loaded, _ = load_model(file)
    save_checkpoint(tmp_path / "a" / "other.pt", loaded, step=7, provenance={"seed": 1})

    assert (tmp_path / "a" / "other.pt").read_bytes() == file.read_bytes()


def test_failed_write_leaves_the_old_file_and_nothing_else(file: Path, model: AssemblyGNN) -> None:
    before = file.read_bytes()

    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        write_atomically(file, {"state": lambda: None})

    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*absent\.pt"):
        load_model(tmp_path / "absent.pt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_file_is_refused(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])

    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_model(file)


def test_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("weights: 1, 2, 3\n")

    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_model(tmp_path / "model.pt")


def test_foreign_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("report.txt", "not a model")

    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_model(tmp_path / "model.pt")


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", ["plain pickle", "torch archive"])
def test_code_in_a_file_is_not_run(tmp_path: Path, protocol: str) -> None:
    trap, file = tmp_path / "trap", tmp_path / "model.pt"
    if protocol == "plain pickle":
        file.write_bytes(pickle.dumps({"state": Malicious(trap)}))
    else:
        torch.save({"state": Malicious(trap)}, file)

    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_model(file)

    assert not trap.exists()


def test_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"model_state_dict": {}, "optimizer_state_dict": {}}, tmp_path / "model.pt")

    with pytest.raises(ValueError, match=r"no model of neuralgnn .*model_state_dict"):
        load_model(tmp_path / "model.pt")


def test_tensor_alone_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "model.pt")

    with pytest.raises(ValueError, match="holds a Tensor"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 99, "format version 99"),
        ("arguments", {"n_neurons": 6}, "damaged checkpoint"),
        ("arguments", {"n_neurons": 5, "colour": "red"}, "damaged checkpoint"),
        ("state", {}, "damaged checkpoint"),
    ],
)
def test_inconsistent_checkpoint_is_refused(
    file: Path, key: str, value: object, message: str
) -> None:
    write_atomically(file, read_checkpoint(file) | {key: value})

    with pytest.raises(ValueError, match=message):
        load_model(file)
