"""A fitted model as one file: weights, model arguments, step, provenance; needs no other file."""

__all__ = [
    "load_model",
    "load_sparse_model",
    "read_checkpoint",
    "save_checkpoint",
    "write_atomically",
]

import zipfile
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from neuralgnn.data.store import atomic_path
from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.sparse import AffineGNN, GeneralGNN, SparseGNN

_FORMAT = "neuralgnn model"
_VERSION = 1
_KEYS = {"format", "version", "arguments", "state", "step", "provenance", "extra"}
_SPARSE: dict[str, type[SparseGNN]] = {each.__name__: each for each in (AffineGNN, GeneralGNN)}

Model = TypeVar("Model", bound=nn.Module)


def save_checkpoint(
    path: Path | str,
    model: AssemblyGNN | SparseGNN,
    *,
    step: int,
    provenance: dict[str, Any],
    extra: dict[str, Any] | None = None,
) -> None:
    """Writes a model to one file that is complete or absent; equal models give equal bytes.

    Args:
        path: File to write; an existing one is replaced.
        model: Model whose parameters are stored, on the CPU whatever its device.
        step: Training step or iteration that the parameters belong to.
        provenance: What made the model; no times or host names, or bytes would differ.
        extra: More plain values and tensors to keep beside the model.
    """
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "arguments": dict(model.arguments),
        # A view would bring along all of what it is a view of.
        "state": {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()},
        "step": step,
        "provenance": provenance,
        "extra": extra or {},
    }
    if isinstance(model, SparseGNN):
        content["model"] = type(model).__name__
    write_atomically(path, content)


def load_model(
    path: Path | str, device: torch.device | str = "cpu"
) -> tuple[AssemblyGNN, dict[str, Any]]:
    """Rebuilds the model of a checkpoint and returns it with ``step``, ``provenance``, ``extra``.

    Nothing in the file is executed: only tensors and plain values are unpickled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this package, is damaged, holds a model on
            given edges, or belongs to another version of the format.
    """
    return _load(path, device, {"AssemblyGNN": AssemblyGNN})


def load_sparse_model(
    path: Path | str, device: torch.device | str = "cpu"
) -> tuple[SparseGNN, dict[str, Any]]:
    """The same for a model on given edges.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of this package, is damaged, holds a model of an
            assembly, or belongs to another version of the format.
    """
    return _load(path, device, _SPARSE)


def _load(
    path: Path | str, device: torch.device | str, classes: dict[str, type[Model]]
) -> tuple[Model, dict[str, Any]]:
    content = read_checkpoint(path)
    if set(content) - {"model"} != _KEYS or content["format"] != _FORMAT:
        raise ValueError(
            f"{path} holds no model of neuralgnn (found keys {sorted(map(str, content))[:8]}). "
            "Is it a checkpoint of another program, or a resume state?"
        )
    if content["version"] != _VERSION:
        raise ValueError(
            f"{path} has format version {content['version']}, this package reads {_VERSION}: "
            "it was written by another version of neuralgnn; use that version, or fit again"
        )
    name = content.get("model", "AssemblyGNN")
    if name not in classes:
        raise ValueError(
            f"{path} holds a {name}, expected {' or '.join(classes)}; is it the fit of another "
            "kind of recording?"
        )
    try:
        # A generator of its own: initial values are overwritten, the global state is not touched.
        model = classes[name](**content["arguments"], generator=torch.Generator())
        model.load_state_dict(content["state"])
    except (TypeError, RuntimeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is a damaged checkpoint: its parameters do not fit its model arguments "
            f"({str(error).splitlines()[0]})"
        ) from error
    return model.to(device), {key: content[key] for key in ("step", "provenance", "extra")}


def write_atomically(path: Path | str, content: dict[str, Any]) -> None:
    """Serialises to a file that appears whole or not at all; equal contents give equal bytes."""
    with atomic_path(path) as scratch, scratch.open("wb") as file:
        # Given a path, torch would name the archive inside after it.
        try:
            torch.save(content, file)
        except RuntimeError as error:  # what torch makes of a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Unpickles tensors and plain values, nothing else.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, foreign, or asks for code to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        _check_bytes(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    # The zip reader and the unpickler raise a dozen types between them on damaged bytes.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is no readable checkpoint: {reason[:200]}. "
            "Was the file truncated, or written by another program?"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a checkpoint of neuralgnn")
    return content


def _check_bytes(path: Path) -> None:
    """Compares the content of an archive with its checksums, which torch does not look at."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it does not have the checksum it was written with")
