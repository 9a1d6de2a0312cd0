"""Says what a file or folder is."""

__all__ = ["describe_path"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr

from neuralgnn.data.recording import open_recording, open_truth
from neuralgnn.data.store import open_dataset, read_json
from neuralgnn.plot.origin import read_origin
from neuralgnn.report.page import origin_of_page
from neuralgnn.steps.folders import origin_of
from neuralgnn.steps.table import read_table

_LONG = ("versions", "sources", "fits", "config_digests", "config")


def describe_path(path: Path) -> str:
    """Says what a file or folder is and where it comes from.

    Known are recordings, stores of an analysis, models, figures, movies, tables, the history of a
    fit, the report, JSON files and folders of a fit.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is nothing that this package writes.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.suffix == ".pt":
        return _describe_model(path)
    if path.suffix in (".png", ".pdf", ".gif"):
        kind = "movie" if path.suffix == ".gif" else "figure"
        return "\n".join([kind, *_origin(read_origin(path))])
    if path.suffix == ".csv":
        return _describe_table(path)
    if path.suffix == ".html":
        return "\n".join(["report", *_origin(origin_of_page(path))])
    if path.suffix == ".json":
        return json.dumps(read_json(path), indent=2)
    if (path / "zarr.json").is_file():
        return _describe_store(path)
    if (path / "metrics.json").is_file():
        return json.dumps(read_json(path / "metrics.json"), indent=2)
    raise ValueError(
        f"{path} is neither a recording, a store, a model (.pt), a figure, a table, the report, "
        "a JSON file nor the folder of a fit; was the step that writes it run?"
    )


def _describe_store(path: Path) -> str:
    kind = zarr.open_group(path, mode="r").attrs.get("format")
    if kind == "neuralgnn-recording":
        return _describe_recording(path)
    dataset = open_dataset(path)
    text = str(dataset.drop_attrs(deep=False).assign_attrs(_short(dataset.attrs)))
    return "\n".join([text, *_origin(dataset.attrs.get("provenance"))])


def _describe_recording(path: Path) -> str:
    recording, truth = open_recording(path), open_truth(path)
    unit = recording.attrs.get("time_unit", "time unit")
    lines = [
        f"recording of {recording.n_neurons} neurons",
        f"{recording.n_frames} frames, {recording.dt:g} {unit} apart",
        f"drift: {'stored' if recording.has_drift else 'not stored'}",
        f"truth: {'not known' if truth is None else ', '.join(map(str, truth.data_vars))}",
        f"content: {recording.digest}",
        *_origin(recording.attrs.get("provenance"), seed=recording.attrs.get("seed")),
    ]
    return "\n".join(lines)


def _describe_model(path: Path) -> str:
    from neuralgnn.models.checkpoint import load_model, load_sparse_model, read_checkpoint

    on_graph = "model" in read_checkpoint(path)
    model, about = load_sparse_model(path) if on_graph else load_model(path)
    origin, training = dict(about["provenance"]), path.with_name("training.json")
    if "run" not in origin and training.is_file():  # a checkpoint of the fit beside it
        origin["run"] = read_json(training).get("provenance", {}).get("run")
    sizes = [f"  {name}: {tuple(value.shape)}" for name, value in model.state_dict().items()]
    settings = json.dumps(dict(model.arguments), indent=2, default=str)
    return "\n".join([f"model after step {about['step']}", settings, *sizes, *_origin(origin)])


def _describe_table(path: Path) -> str:
    about, training = origin_of(path), path.with_name("training.json")
    if path.name == "history.csv" and training.is_file():
        return "\n".join(["history of a fit", *_origin(read_json(training).get("provenance"))])
    metrics = path.parent.with_name("metrics.json")
    if path.name == "circuit.csv" and metrics.is_file():
        record = read_json(metrics)
        return "\n".join(["weights between cell types", *_origin(record.get("provenance"))])
    origin = _origin(read_json(about) if about.is_file() else None)
    if path.stem.endswith("_summary"):
        return "\n".join(["table with a row for each fit", *origin])
    rows = read_table(path)
    fits = sorted({(row["experiment"], row["fit"], row["seed"]) for row in rows})
    lines = [f"table of {len(rows)} numbers of {len(fits)} fits"]
    lines += [f"  {experiment}, {fit}, seed {seed}" for experiment, fit, seed in fits]
    return "\n".join([*lines, *origin])


def _origin(about: Mapping[str, Any] | None, **more: Any) -> list[str]:
    """Where something comes from, a line for each entry; settings last."""
    if not about:
        return ["origin: not known"]
    entries = {**about, **{key: value for key, value in more.items() if value is not None}}
    order = sorted(
        entries, key=lambda key: (key in _LONG, _LONG.index(key) if key in _LONG else 0)
    )
    return ["origin:", *(f"  {key}: {_text(entries[key])}" for key in order)]


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and all(not isinstance(v, Mapping) for v in value.values()):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    if isinstance(value, Mapping | list):
        return json.dumps(value, indent=2).replace("\n", "\n  ")
    return str(value)


def _short(attrs: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in attrs.items() if key not in ("provenance", "seal")}
