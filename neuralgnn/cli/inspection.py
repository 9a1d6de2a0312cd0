"""Says what a file or folder is."""

__all__ = ["describe_path"]

import json
from pathlib import Path
from typing import Any

import zarr

from neuralgnn.data.recording import open_recording, open_truth
from neuralgnn.data.store import open_dataset, read_json


def describe_path(path: Path) -> str:
    """Describes a recording, a store of an analysis, a model, a JSON file or the folder of a fit.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is nothing that this package writes.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.suffix == ".pt":
        return _describe_model(path)
    if path.suffix == ".json":
        return json.dumps(read_json(path), indent=2)
    if (path / "zarr.json").is_file():
        return _describe_store(path)
    if (path / "metrics.json").is_file():
        return json.dumps(read_json(path / "metrics.json"), indent=2)
    raise ValueError(
        f"{path} is neither a recording, a store, a model (.pt), a JSON file nor the folder of a "
        "fit; was the step that writes it run?"
    )


def _describe_store(path: Path) -> str:
    kind = zarr.open_group(path, mode="r").attrs.get("format")
    if kind == "neuralgnn-recording":
        return _describe_recording(path)
    dataset = open_dataset(path)
    return str(dataset.drop_attrs(deep=False).assign_attrs(_short(dataset.attrs)))


def _describe_recording(path: Path) -> str:
    recording, truth = open_recording(path), open_truth(path)
    unit = recording.attrs.get("time_unit", "time unit")
    lines = [
        f"recording of {recording.n_neurons} neurons",
        f"{recording.n_frames} frames, {recording.dt:g} {unit} apart",
        f"drift: {'stored' if recording.has_drift else 'not stored'}",
        f"truth: {'not known' if truth is None else ', '.join(map(str, truth.data_vars))}",
        f"content: {recording.digest}",
    ]
    return "\n".join(lines)


def _describe_model(path: Path) -> str:
    from neuralgnn.models.checkpoint import load_model

    model, about = load_model(path)
    sizes = [f"  {name}: {tuple(value.shape)}" for name, value in model.state_dict().items()]
    settings = json.dumps(dict(model.arguments), indent=2, default=str)
    return "\n".join([f"model after step {about['step']}", settings, *sizes])


def _short(attrs: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in attrs.items() if key not in ("provenance", "seal")}
