"""From YAML files to checked settings, or to a message that says what to change.

A workflow file names experiments; each is a file of that name in the folder ``experiments``
beside it. ``overrides`` of the workflow file are laid over every experiment by dotted key.
"""

__all__ = ["Project", "load_experiment", "load_fit", "load_project", "load_workflow", "parse"]

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import (
    Collection,
    ExperimentConfig,
    WorkflowConfig,
    with_kind,
)
from neuralgnn.config.explain import Place, explain, nearest
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.inherit import read_experiment
from neuralgnn.config.source import Source, read_yaml

Model = TypeVar("Model", bound=BaseModel)

# Entries of these mappings are named by the experiment; an override of one that an experiment
# does not have leaves it as it is.
_NAMED = (("fits",), ("analysis", "changed_networks"))

# A command line's values come as text where they are not numbers or Python's own words.
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Project:
    """A workflow file with the experiments it names, checked against each other.

    Args:
        source: The workflow file.
        workflow: Its settings.
        experiments: Settings of each experiment, overrides included.
    """

    source: Source
    workflow: WorkflowConfig
    experiments: dict[str, ExperimentConfig]

    def seeds(self, experiment: str) -> list[int]:
        """Seeds of an experiment, of all collections together, in the order they are named."""
        parts = [self.workflow, *self.workflow.collections.values()]
        named = (seed for part in parts for seed in part.experiments.get(experiment, ()))
        return list(dict.fromkeys(named))


def load_project(path: Path | str, *, overlay: Mapping[str, Any] | None = None) -> Project:
    """Reads a workflow file and its experiments, and checks them against each other.

    Args:
        path: The workflow file.
        overlay: Top-level values that go before those of the file, from a command line.

    Raises:
        ConfigError: With one line per problem.
    """
    source = read_yaml(Path(path))
    typed = {
        key: _BOOLEANS.get(value, value) if isinstance(value, str) else value
        for key, value in (overlay or {}).items()
    }
    source = Source(source.path, source.values | typed, source.root)
    workflow = parse(WorkflowConfig, source.values, place=source.place)
    problems, experiments = [], {}

    def origin(key: str) -> str:
        return f"{source.place(('overrides', key))}: overrides '{key}'"

    for name, keys in _named(workflow).items():
        file = source.path.parent / "experiments" / f"{name}.yaml"
        if not file.is_file():
            problems.append(_missing_experiment(source, keys, file))
            continue
        try:
            experiments[name] = load_experiment(file, workflow.overrides, origin=origin)
        except ConfigError as error:
            problems.extend(error.problems)
    problems += _unused_overrides(source, workflow, experiments) if not problems else []
    problems += _strange_seeds(source, workflow, experiments) if not problems else []
    if problems:
        raise ConfigError(problems)
    return Project(source, workflow, experiments)


def load_workflow(path: Path | str) -> WorkflowConfig:
    """Reads a workflow file without looking at its experiments.

    Raises:
        ConfigError: With one line per problem.
    """
    source = read_yaml(Path(path))
    return parse(WorkflowConfig, source.values, place=source.place)


def load_experiment(
    path: Path | str,
    overrides: Mapping[str, Any] | None = None,
    *,
    origin: Callable[[str], str] = "overrides '{}'".format,
) -> ExperimentConfig:
    """Reads an experiment, laid over the one it extends; its name is that of the file.

    Args:
        path: The experiment file.
        overrides: Values by dotted key, such as ``{"simulation.n_frames": 2000}``.
        origin: Where an override comes from, for the message about it.

    Raises:
        ConfigError: With one line per problem.
    """
    path = Path(path)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", path.stem):
        allowed = "small letters, digits and _, a letter first (the file name is its name)"
        raise ConfigError([f"{path}: found the experiment name {path.stem!r}; allowed: {allowed}"])
    return _load(ExperimentConfig, read_experiment(path), overrides or {}, origin)


def load_fit(
    path: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    origin: Callable[[str], str] = "overrides '{}'".format,
) -> FitConfig:
    """Reads a file that holds one fit: target, model, trainer.

    Args:
        path: The file; None: all by overrides and defaults.
        overrides: Values by dotted key, such as ``{"trainer.n_steps": 2000}``.
        origin: Where an override comes from, for the message about it.

    Raises:
        ConfigError: With one line per problem.
    """
    source = Source(Path("fit"), {}) if path is None else read_yaml(Path(path))
    return _load(FitConfig, source, overrides or {}, origin)


def parse(model: type[Model], values: dict[str, Any], *, place: Place) -> Model:
    """Validates plain values, strictly: text is not a number, nor true an integer.

    Args:
        model: The model to build.
        values: Values as read.
        place: Gives file and line of a key path, for the message.

    Raises:
        ConfigError: With one line per problem.
    """
    values = with_kind(values) if model is ExperimentConfig else values
    try:  # through JSON: there a list may become a tuple even when strict
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        problems = explain(error, model, values, place=place)
    raise ConfigError(problems)


def _load(
    model: type[Model],
    source: Source,
    overrides: Mapping[str, Any],
    origin: Callable[[str], str],
) -> Model:
    values = copy.deepcopy(source.values)
    laid = [key for key, value in overrides.items() if _lay(values, key, value, origin)]

    def place(keys: Sequence[str | int]) -> str:
        for key in laid:
            if key.split(".") == [str(part) for part in keys[: key.count(".") + 1]]:
                return f"{origin(key)} of {source.path}"
        return source.place(keys)

    return parse(model, values, place=place)


def _lay(values: dict[str, Any], key: str, value: Any, origin: Callable[[str], str]) -> bool:
    """Sets one value by its dotted key; says whether the settings have the place."""
    *sections, last = key.split(".")
    inner: Any = values
    for depth, section in enumerate(sections):
        if tuple(sections[:depth]) in _NAMED and section not in inner:
            return False
        inner = inner.setdefault(section, {})
        if not isinstance(inner, dict):
            where = ".".join(sections[: depth + 1])
            raise ConfigError([f"{origin(key)}: {where} is no mapping; set it as a whole"])
    inner[last] = copy.deepcopy(value)
    return True


def _named(workflow: WorkflowConfig) -> dict[str, tuple[str, ...]]:
    """Every experiment that is named, with the keys of where it is first."""
    parts: list[tuple[tuple[str, ...], Collection]] = [
        ((), workflow),
        *((("collections", name), part) for name, part in workflow.collections.items()),
    ]
    named: dict[str, tuple[str, ...]] = {}
    for keys, part in parts:
        for name in part.experiments:
            named.setdefault(name, (*keys, "experiments", name))
    return named


def _missing_experiment(source: Source, keys: tuple[str, ...], file: Path) -> str:
    name = keys[-1]
    known = sorted(path.stem for path in file.parent.glob("*.yaml"))
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    place = source.place(keys)
    found = f"; there are: {', '.join(known)}" if known else ""
    return f"{place}: {'.'.join(keys)}: there is no file {file}{hint}{found}"


def _unused_overrides(
    source: Source, workflow: WorkflowConfig, experiments: Mapping[str, ExperimentConfig]
) -> list[str]:
    """An override that no experiment has a place for is a typo."""
    lines = []
    for key in workflow.overrides:
        parts = tuple(key.split("."))
        for prefix in _NAMED:
            name = parts[len(prefix)] if len(parts) > len(prefix) + 1 else None
            if parts[: len(prefix)] != prefix or name is None:
                continue
            known = {
                entry
                for experiment in experiments.values()
                for entry in _entries(experiment, prefix)
            }
            if name not in known:
                close = nearest(name, known)
                hint = f"; did you mean {close!r}?" if close else ""
                lines.append(
                    f"{source.place(('overrides', key))}: overrides '{key}': no experiment has "
                    f"{'.'.join(prefix)}.{name}{hint}; there are: {', '.join(sorted(known))}"
                )
    return lines


def _entries(experiment: ExperimentConfig, prefix: tuple[str, ...]) -> list[str]:
    section: Any = experiment
    for name in prefix:
        section = getattr(section, name)
    return list(section)


def _strange_seeds(
    source: Source, workflow: WorkflowConfig, experiments: Mapping[str, ExperimentConfig]
) -> list[str]:
    """Seeds of a fit that its experiment does not run for, in any collection."""
    lines = []
    parts = [workflow, *workflow.collections.values()]
    for name, keys in _named(workflow).items():
        seeds = sorted({seed for part in parts for seed in part.experiments.get(name, ())})
        for fit_name, fit in experiments[name].fits.items():
            if strange := sorted(set(fit.seeds or ()) - set(seeds)):
                lines.append(
                    f"{source.place(keys)}: {'.'.join(keys)}: found seeds {seeds}; "
                    f"fits.{fit_name}.seeds of the experiment also asks for {strange}: add them "
                    "here, or take them out there or by overrides"
                )
    return lines
