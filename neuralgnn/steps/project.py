"""A run as a whole: its experiments, fits, seeds, and the figures they can be shown in."""

__all__ = ["experiments_without_figure", "figure_fit", "fit_seeds", "fits", "open_project"]

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import ExperimentConfig
from neuralgnn.config.load import Project, load_project
from neuralgnn.plot.figures import FIGURES


def open_project(path: Path | str, *, overlay: Mapping[str, Any] | None = None) -> Project:
    """Reads a workflow file with its experiments, and checks that its figures can be drawn.

    Args:
        path: The workflow file.
        overlay: Top-level values that go before those of the file.

    Raises:
        ConfigError: With one line per problem.
    """
    project = load_project(path, overlay=overlay)
    problems = [
        f"{project.source.place(('figures', index))}: figures[{index}]: found '{figure}', {text}"
        for index, figure in enumerate(project.workflow.figures)
        for text in _lacks(project, figure)
    ]
    if problems:
        raise ConfigError(problems)
    return project


def fits(project: Project) -> Iterator[tuple[str, int, str]]:
    """Experiment, seed and name of every fit."""
    for experiment, config in project.experiments.items():
        for fit in config.fits:
            for seed in fit_seeds(project, experiment, fit):
                yield experiment, seed, fit


def fit_seeds(project: Project, experiment: str, fit: str) -> list[int]:
    """Seeds that a fit runs for."""
    chosen = project.experiments[experiment].fits[fit].seeds
    seeds = project.workflow.experiments[experiment]
    return [seed for seed in seeds if chosen is None or seed in chosen]


def figure_fit(figure: str, experiment: ExperimentConfig) -> str | None:
    """Name of the fit that a figure shows, the first that can be; None if there is none."""
    for name, fit in experiment.fits.items():
        if "montage" not in FIGURES[figure].needs or fit.trainer.kind == "sgd":
            return name
    return None


def experiments_without_figure(project: Project) -> list[str]:
    """Experiments that none of the chosen figures shows."""
    shown = {FIGURES[figure].experiment for figure in project.workflow.figures}
    return [name for name in project.experiments if name not in shown]


def _lacks(project: Project, figure: str) -> list[str]:
    """What a figure needs and the run does not have."""
    spec = FIGURES[figure]
    if not spec.experiment:
        return []
    experiment = project.experiments.get(spec.experiment)
    if experiment is None:
        names = ", ".join(project.experiments)
        return [f"which needs the experiment '{spec.experiment}'; experiments has: {names}"]
    problems = []
    if figure_fit(figure, experiment) is None:
        names = ", ".join(experiment.fits)
        problems.append(
            f"which shows checkpoints of a fit with trainer.kind 'sgd'; '{spec.experiment}' has "
            f"the fits: {names}"
        )
    for need in spec.needs:
        network = need.removeprefix("changed_")
        if need != network and network not in experiment.analysis.changed_networks:
            problems.append(
                f"which needs analysis.changed_networks.{network} in '{spec.experiment}'"
            )
    return problems
