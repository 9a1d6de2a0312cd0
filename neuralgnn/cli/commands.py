"""What each command does. Libraries are imported when needed: help must not wait for torch."""

__all__ = [
    "USER_ERRORS",
    "analyse",
    "config",
    "figure",
    "figure_names",
    "fit",
    "import_",
    "inspect",
    "simulate",
    "version_text",
]

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import ExperimentConfig, WorkflowConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.inherit import read_experiment
from neuralgnn.config.load import load_experiment, load_fit, load_workflow, parse
from neuralgnn.config.plot import PlotConfig
from neuralgnn.config.source import read_yaml
from neuralgnn.plot.figures import FIGURES
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.job import USER_ERRORS


def simulate(given: Namespace) -> None:
    """``neuralgnn simulate``."""
    settings = load_experiment(given.experiment, _overrides(given.set), origin=_origin)
    from neuralgnn.steps.simulate import simulate_step

    recording = given.out / "activity.zarr"
    simulate_step(settings.simulation, recording, seed=given.seed, device=given.device)
    _say(f"{recording}\nnext: neuralgnn fit {recording} --out {given.out / 'fit'}")


def import_(given: Namespace) -> None:
    """``neuralgnn import``."""
    from neuralgnn.data.importing import import_recording
    from neuralgnn.data.recording import open_recording

    import_recording(
        given.source,
        given.out,
        dt=given.dt,
        dims=given.dims,
        key=given.key,
        time_unit=given.time_unit,
    )
    recording = open_recording(given.out)
    _say(
        f"{given.out}: {recording.n_frames} frames of {recording.n_neurons} neurons\n"
        f"next: neuralgnn fit {given.out} --out {given.out.with_name('fit')}"
    )


def fit(given: Namespace) -> None:
    """``neuralgnn fit``."""
    settings, analysis, published = _fit_settings(given)
    from neuralgnn.steps.alone import fit_alone

    folder = FitFolder(given.out)
    fit_alone(
        given.recording, settings, folder, analysis=analysis, published=published, seed=given.seed
    )
    _say(_summary(folder))


def analyse(given: Namespace) -> None:
    """``neuralgnn analyse``."""
    from neuralgnn.steps.alone import analyse_alone

    folder = FitFolder(given.folder)
    analyse_alone(folder, recording=given.recording, overrides=_overrides(given.set))
    _say(_summary(folder))


def figure(given: Namespace) -> None:
    """``neuralgnn figure``."""
    from neuralgnn.steps.alone import figure_alone

    folder = FitFolder(given.folder)
    if given.out is None and folder.is_of_workflow:
        raise ValueError(
            f"{given.folder} is a fit of the workflow, which draws its own figures there: say "
            "where this one goes (--out)"
        )
    stem = given.out or given.folder / "figures" / given.name
    values = {key.removeprefix("plot."): value for key, value in _overrides(given.set).items()}
    plot = parse(
        PlotConfig, values, place=lambda keys: _origin(".".join(("plot", *map(str, keys))))
    )
    figure_alone(given.name, folder, stem, recording=given.recording, plot=plot)
    _say(f"{stem}.pdf\n{stem}.png")


def config(given: Namespace) -> None:
    """``neuralgnn config``."""
    settings = _read_settings(given.file, _overrides(given.set))
    if given.action == "show":
        text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
        _say(text.rstrip())
    else:
        kind = type(settings).__name__.removesuffix("Config").lower()
        _say(f"{given.file}: a valid {kind} file")


def inspect(given: Namespace) -> None:
    """``neuralgnn inspect``."""
    from neuralgnn.cli.inspection import describe_path

    _say(describe_path(given.path))


def figure_names() -> list[str]:
    """Figures that can be drawn for a single fit."""
    return [name for name, spec in FIGURES.items() if spec.per_fit]


def version_text() -> str:
    """Name and version of the program."""
    return f"neuralgnn {version('neuralgnn')}"


def _fit_settings(given: Namespace) -> tuple[FitConfig, AnalysisConfig | None, dict[str, float]]:
    """Fit, analysis (None: as the recording permits) and published numbers that are asked for."""
    overrides: dict[str, Any] = {}
    for key, value in (
        ("trainer.kind", given.trainer),
        ("target.kind", given.target),
        ("device", given.device),
    ):
        if value is not None:
            overrides[key] = value
    overrides |= _overrides(given.set)
    values = {} if given.config is None else read_experiment(given.config).values
    if given.config is None or "fits" not in values:
        if given.fit is not None:
            raise ConfigError(["--fit names a fit of an experiment file; give it as --config"])
        if given.config is None:
            overrides = {"trainer.kind": "varpro"} | overrides
        return load_fit(given.config, overrides, origin=_origin), None, {}
    name = given.fit or next(iter(values["fits"] if isinstance(values["fits"], dict) else {}), "")
    own = {k if k.startswith("analysis.") else f"fits.{name}.{k}": v for k, v in overrides.items()}
    experiment = load_experiment(given.config, own, origin=_origin)
    if name not in experiment.fits:
        found = ", ".join(experiment.fits)
        raise ConfigError([f"{given.config}: has no fit {name!r}; it has: {found}"])
    return experiment.fits[name], experiment.analysis, experiment.published


def _read_settings(file: Path, overrides: Mapping[str, Any]) -> BaseModel:
    """Reads a file as what its keys say it is."""
    keys = set(read_yaml(file).values)
    models = (ExperimentConfig, WorkflowConfig, FitConfig)
    model = max(models, key=lambda model: len(keys & set(model.model_fields)))
    if model is ExperimentConfig:
        return load_experiment(file, overrides, origin=_origin)
    if model is FitConfig:
        return load_fit(file, overrides, origin=_origin)
    if not overrides and file.parent.joinpath("experiments").is_dir():
        from neuralgnn.steps.project import open_project

        return open_project(file).workflow
    return load_workflow(file)


def _overrides(pairs: list[str]) -> dict[str, Any]:
    overrides = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ConfigError([f"--set {pair}: expected KEY=VALUE, such as simulation.dt=0.01"])
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError([f"--set {key}: {value!r} is not a YAML value"]) from None
    return overrides


def _origin(key: str) -> str:
    return f"--set {key}"


def _summary(folder: FitFolder) -> str:
    """The numbers of a fit, with where the rest is."""
    from neuralgnn.report.metrics import metric_name
    from neuralgnn.report.page import number

    metrics: dict[str, Any] = json.loads(folder.metrics.read_text())["metrics"]
    lines = [
        f"{number(entry['value']):>12}  {metric_name(name)[0]}"
        for name, entry in metrics.items()
        if entry["value"] is not None
    ]
    return "\n".join([*lines, f"{folder.path}: model.pt, metrics.json, analysis/, figures/"])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
