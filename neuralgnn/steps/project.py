"""A run as a whole: its experiments, fits, seeds, and the figures they can be shown in."""

__all__ = [
    "experiments_without_figure",
    "figure_fit",
    "figure_sources",
    "fit_seeds",
    "fits",
    "fits_together",
    "open_project",
]

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import Collection, ExperimentConfig
from neuralgnn.config.load import Project, load_project
from neuralgnn.plot.figures import FIGURES, FigureSpec, Need


def open_project(path: Path | str, *, overlay: Mapping[str, Any] | None = None) -> Project:
    """Reads a workflow file with its experiments, and checks that its figures can be drawn.

    Args:
        path: The workflow file.
        overlay: Top-level values that go before those of the file.

    Raises:
        ConfigError: With one line per problem.
    """
    project = load_project(path, overlay=overlay)
    parts: list[tuple[tuple[str, ...], Collection]] = [
        ((), project.workflow),
        *((("collections", name), part) for name, part in project.workflow.collections.items()),
    ]
    problems = [
        f"{project.source.place((*keys, 'figures', index))}: {'.'.join((*keys, 'figures'))}"
        f"[{index}]: found '{figure}', {text}"
        for keys, part in parts
        for index, figure in enumerate(part.figures)
        for text in _lacks(project, part, figure)
    ]
    if problems:
        raise ConfigError(problems)
    return project


def fits(project: Project, part: Collection | None = None) -> Iterator[tuple[str, int, str]]:
    """Experiment, seed and name of every fit of a part of the run; None: the default part."""
    for experiment, seeds in (part or project.workflow).experiments.items():
        for fit in project.experiments[experiment].fits:
            chosen = set(fit_seeds(project, experiment, fit))
            yield from ((experiment, seed, fit) for seed in seeds if seed in chosen)


def fit_seeds(project: Project, experiment: str, fit: str) -> list[int]:
    """Seeds that a fit runs for, of all collections together."""
    chosen = project.experiments[experiment].fits[fit].seeds
    return [seed for seed in project.seeds(experiment) if chosen is None or seed in chosen]


def fits_together(project: Project) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Experiment, fit and seeds of what is fitted in one job (``fits.<name>.together``).

    Seeds that the same parts of the run ask for, so that no job fits one that its part does not
    need. A seed that would be by itself is left to a job of its own.
    """
    parts = (project.workflow, *project.workflow.collections.values())
    for experiment, config in project.experiments.items():
        n_neurons = None if config.simulation.kind == "fly" else config.simulation.n_neurons
        for fit, settings in config.fits.items():
            cut = n_neurons is not None and settings.scatter_plan(n_neurons) is not None
            if not settings.is_together or cut:
                continue
            groups: dict[tuple[bool, ...], list[int]] = {}
            for seed in fit_seeds(project, experiment, fit):
                asked = tuple(seed in part.experiments.get(experiment, ()) for part in parts)
                groups.setdefault(asked, []).append(seed)
            for seeds in groups.values():
                if len(seeds) > 1:
                    yield experiment, fit, tuple(seeds)


def figure_fit(spec: FigureSpec, owner: str, config: ExperimentConfig) -> str | None:
    """Name of the first fit of an experiment that has all of what a figure shows of it.

    Args:
        spec: The figure.
        owner: Name of the experiment.
        config: The experiment.
    """
    needs = [Need.of(need) for need in spec.needs]
    stores = {
        need.store
        for need in needs
        if not need.fit and (need.experiment or spec.experiment or owner) == owner
    }
    for name, fit in config.fits.items():
        if "montage" not in stores or fit.trainer.kind == "sgd":
            return name
    return None


def figure_sources(project: Project, figure: str) -> dict[str, tuple[str, int, str]]:
    """Experiment, seed and fit of each store that a figure needs."""
    spec = FIGURES[figure]
    sources = {}
    for name in spec.needs:
        need = Need.of(name)
        experiment = need.experiment or spec.experiment
        if not experiment:
            continue
        config = project.experiments[experiment]
        fit = need.fit or figure_fit(spec, experiment, config)
        assert fit is not None, "open_project has looked"
        sources[name] = (experiment, fit_seeds(project, experiment, fit)[0], fit)
    return sources


def experiments_without_figure(project: Project, part: Collection | None = None) -> list[str]:
    """Experiments that none of the chosen figures shows."""
    part = part or project.workflow
    shown = {name for figure in part.figures for name in FIGURES[figure].experiments}
    return [name for name in part.experiments if name not in shown]


def _lacks(project: Project, part: Collection, figure: str) -> list[str]:
    """What a figure needs and the run does not have."""
    spec, problems = FIGURES[figure], []
    for name in spec.experiments:
        if name not in part.experiments:
            known = ", ".join(part.experiments)
            problems.append(f"which needs the experiment '{name}'; experiments has: {known}")
    if problems or (not spec.experiments and spec.table != "metrics"):
        known = project.workflow.collections
        if not problems and spec.table not in known:
            problems.append(
                f"which shows the collection '{spec.table}'; collections has: {', '.join(known)}"
            )
        return problems
    for name in spec.experiments:
        if figure_fit(spec, name, project.experiments[name]) is None:
            names = ", ".join(project.experiments[name].fits)
            problems.append(
                f"which shows checkpoints of a fit with trainer.kind 'sgd'; '{name}' has the "
                f"fits: {names}"
            )
    for name in spec.needs:
        need = Need.of(name)
        owner = need.experiment or spec.experiment
        config = project.experiments.get(owner)
        if config is None:
            continue
        if need.fit and need.fit not in config.fits:
            names = ", ".join(config.fits)
            problems.append(f"which shows the fit '{need.fit}' of '{owner}'; its fits: {names}")
        network = need.store.removeprefix("changed_")
        if network != need.store and network not in config.analysis.changed_networks:
            problems.append(f"which needs analysis.changed_networks.{network} in '{owner}'")
    return problems
