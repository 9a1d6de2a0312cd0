"""Step ``figure``: from stored numbers to a figure, with the numbers it shows beside it."""

__all__ = ["figure_data", "figure_step", "lattice_movie_step", "movie_step", "store_of"]

import csv
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from neuralgnn.config.plot import PlotConfig
from neuralgnn.data.cost import measured
from neuralgnn.data.provenance import provenance
from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import open_dataset, read_json, save_dataset
from neuralgnn.plot.figures import FIGURES, Need
from neuralgnn.plot.lattice import lattice_pictures
from neuralgnn.plot.movie import field_pictures, save_movie
from neuralgnn.plot.save import save_figure
from neuralgnn.plot.style import look
from neuralgnn.steps.folders import origin_of

_MOVIE_SECONDS = 12.0
ACTIVITY_FRAMES = 10_000  # of the recording's beginning, as published


@measured()
def figure_step(
    name: str, files: Mapping[str, Path], stem: Path, *, plot: PlotConfig | None = None
) -> None:
    """Draws a figure as PDF and PNG; the numbers it shows go into the folder ``<stem>_data``.

    Args:
        name: Name of the figure, see :data:`neuralgnn.plot.figures.FIGURES`.
        files: What it needs by name: ``activity`` is a recording, ``metrics`` a table, the others
            stores of the analysis; of a figure over seeds ``<need>_<seed>``. Others are ignored.
        stem: Path of the figure without suffix.
        plot: Colours and resolution; None: the defaults.

    Raises:
        ValueError: If the figure does not exist, or something that it needs was not given.
        BlockingIOError: If another process draws the same figure.
    """
    if name not in FIGURES:
        raise ValueError(f"there is no figure {name!r}; there are: {', '.join(FIGURES)}")
    spec = FIGURES[name]
    if spec.over_seeds:
        missing = [need for need in spec.needs if not _over_seeds(need, files)]
    else:
        missing = [need for need in spec.needs if need not in files]
    if missing:
        raise ValueError(f"figure {name} needs {', '.join(missing)}; was the analysis run?")
    data = figure_data(name, files)
    sources = {need: _source(files[need]) for need in data}
    settings = (plot or PlotConfig()).model_dump(mode="json")
    with only_writer(stem):
        with look(plot or PlotConfig()):
            figure = FIGURES[name].function(data)
            save_figure(figure, stem, origin=provenance(settings, figure=name, sources=sources))
        for need, value in data.items():
            if isinstance(value, xr.DataArray):
                value = value.to_dataset()
            if isinstance(value, xr.Dataset):
                folder = stem.with_name(f"{stem.name}_data")
                about = {"figure": name, "sources": {need: sources[need]}}
                save_dataset(value.load(), folder / f"{need}.zarr", config=settings, **about)


@measured()
def movie_step(field: Path, movie: Path) -> None:
    """Writes the animated picture of a field.

    Args:
        field: Store ``field`` of an analysis.
        movie: GIF to write.
    """
    data = open_dataset(field).load()
    data["learned_field"] = data["learned_field"] * data.attrs.get("common_factor", 1.0)
    shown = data["true_field" if "true_field" in data else "learned_field"].values
    limits = float(shown.min()), float(shown.max())
    save_movie(
        field_pictures(data, limits=limits),
        movie,
        seconds=_MOVIE_SECONDS,
        origin=provenance(sources={"field": _source(field)}),
    )


@measured()
def lattice_movie_step(prediction: Path, movie: Path) -> None:
    """Writes the animated picture of what an eye sees, and of what its cells do.

    Args:
        prediction: Store ``prediction`` of an analysis.
        movie: GIF to write.
    """
    pictures = lattice_pictures(open_dataset(prediction).load())
    save_movie(
        pictures,
        movie,
        seconds=_MOVIE_SECONDS,
        origin=provenance(sources={"prediction": _source(prediction)}),
    )


def _source(path: Path) -> dict[str, Any]:
    """Settings and seed behind a store and what it took; of a table, of all fits in it."""
    if path.is_file():
        found = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        about = read_json(origin_of(path)) if origin_of(path).is_file() else {}
        fits = {name: of.get("config_digest") for name, of in about.get("fits", {}).items() if of}
        return found | ({"config_digests": fits} if fits else {})
    attrs = zarr.open_group(path, mode="r").attrs
    about: Any = attrs.get("provenance", {})
    found = {key: about.get(key) for key in ("config", "config_digest", "revision", "run")}
    seed = attrs.get("seed", (about.get("config") or {}).get("seed"))
    found |= {} if seed is None else {"seed": seed}
    return found | {key: attrs[key] for key in ("content_sha256",) if key in attrs}


def store_of(need: str, file: Path) -> Path:
    """The store or table that a file stands for in the workflow.

    Args:
        need: What a figure needs.
        file: ``zarr.json`` of a store, the list of changed networks, which is written after
            them and the field, or the table.
    """
    store = Need.of(need).store
    if file.name == "zarr.json":
        return file.parent
    beside = store.startswith("changed_") or store == "field"
    return file.parent / f"{store}.zarr" if beside else file


def figure_data(name: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """What a figure is drawn from, by the names of its needs."""
    spec = FIGURES[name]
    if spec.over_seeds:
        names = [name for need in spec.needs for name in _over_seeds(need, files)]
        return {name: open_dataset(files[name]) for name in names}
    return {
        need: _READERS.get(Need.of(need).store, open_dataset)(files[need]) for need in spec.needs
    }


def _over_seeds(need: str, files: Mapping[str, Path]) -> list[str]:
    """Names ``<need>_<seed>`` in order of the seeds."""
    names = [name for name in files if re.fullmatch(rf"{need}_\d+", name)]
    return sorted(names, key=lambda name: int(name.rpartition("_")[2]))


def _activity(path: Path) -> xr.DataArray:
    """The first stretch of a recording."""
    recording = open_recording(path)
    values = recording.activity(slice(ACTIVITY_FRAMES))
    unit = recording.attrs.get("time_unit", "")
    return xr.DataArray(
        values,
        dims=("time", "neuron"),
        coords={"time": ("time", recording.dt * np.arange(len(values)), {"units": unit})},
        name="activity",
        attrs={"long_name": "activity"},
    )


def _metrics(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


_READERS: dict[str, Any] = {"activity": _activity, "metrics": _metrics}
