"""A fit without the workflow: all steps one after the other in one folder."""

__all__ = ["analyse_alone", "figure_alone", "fit_alone"]

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.load import parse
from neuralgnn.config.plot import PlotConfig
from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import read_json, write_json
from neuralgnn.plot.figures import FIGURES
from neuralgnn.steps.analyse import analyse_step
from neuralgnn.steps.figure import figure_step
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.select import select_step
from neuralgnn.steps.train import train_step

logger = logging.getLogger(__name__)

_PICTURES = {
    "overview": "fig_2",
    "rollout": "supp_2",
    "identifiability": "identifiability",
    "analysis": "analysis",
}
_GRAPH_PICTURES = {"overview": "fly", "rollout": "fly_rollout", "spectra": "fly_spectra"}


def fit_alone(
    recording: Path,
    fit: FitConfig,
    folder: FitFolder,
    *,
    seed: int,
    analysis: AnalysisConfig | None = None,
    published: Mapping[str, float] | None = None,
) -> None:
    """Fits, selects, analyses and draws.

    Args:
        recording: Folder of the recording.
        fit: Target, model and trainer.
        folder: Where everything goes; ``fit.json`` there says what was asked.
        seed: Seed of the fit.
        analysis: What to compute; None: the defaults.
        published: Published values by metric.

    Raises:
        BlockingIOError: If another process fits or analyses in the same folder.
    """
    held_out = open_recording(recording).split(fit.validation_fraction)[1]
    analysis = _fitting(analysis or AnalysisConfig(), n_held_out=len(held_out))
    record = {
        "recording": os.path.relpath(recording, folder.path),
        "seed": seed,
        "fit": fit.model_dump(mode="json"),
        "analysis": analysis.model_dump(mode="json"),
        "published": dict(published or {}),
    }
    with only_writer(folder.request):
        write_json(folder.request, record)
        train_step(recording, fit, folder, state=folder.path / ".state", seed=seed)
        select_step(recording, fit, folder)
        _analyse(folder, recording=None, overrides={})


def analyse_alone(
    folder: FitFolder,
    *,
    recording: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Computes the numbers of a fit made by :func:`fit_alone`, and draws it.

    Args:
        folder: The fit.
        recording: Folder of the recording; None: where the fit found it.
        overrides: Settings of the analysis by dotted key, such as ``rollout.n_starts``.

    Raises:
        FileNotFoundError: If the folder holds no such fit.
        ValueError: If its ``fit.json`` has another form.
        BlockingIOError: If another process fits or analyses in the same folder.
    """
    _request(folder)  # a folder that holds no fit gets no lock either
    with only_writer(folder.request):
        _analyse(folder, recording=recording, overrides=overrides or {})


def _analyse(folder: FitFolder, *, recording: Path | None, overrides: Mapping[str, Any]) -> None:
    record = _request(folder)
    source = recording or folder.path / record["recording"]
    for key, value in overrides.items():
        _lay(record["analysis"], key.removeprefix("analysis."), value)
    analyse_step(
        source,
        parse(FitConfig, record["fit"], place=lambda _: str(folder.request)),
        folder,
        parse(AnalysisConfig, record["analysis"], place=lambda _: f"analysis of {folder.path}"),
        experiment=Path(os.path.realpath(source)).parent.name,
        name=Path(os.path.realpath(folder.path)).name,
        seed=record["seed"],
        published=record["published"],
    )
    on_graph = open_recording(source).graph is not None
    for picture, figure in (_GRAPH_PICTURES if on_graph else _PICTURES).items():
        figure_alone(figure, folder, folder.path / "figures" / picture, recording=source)


def figure_alone(
    name: str,
    folder: FitFolder,
    stem: Path,
    *,
    recording: Path | None = None,
    plot: PlotConfig | None = None,
) -> None:
    """Draws a figure of a fit, made by :func:`fit_alone` or by the workflow.

    Args:
        name: Name of the figure.
        folder: The fit.
        stem: Path of the figure without suffix.
        recording: Folder of the recording, for figures that show it; None: where the fit found it.
        plot: Colours and resolution; None: the defaults.

    Raises:
        FileNotFoundError: If the folder holds no such fit, or it lacks a store.
        ValueError: If the figure does not exist, or does not show single fits.
    """
    known = [other for other, spec in FIGURES.items() if spec.per_fit]
    if name not in known:
        raise ValueError(f"there is no figure {name!r} of a fit; there are: {', '.join(known)}")
    files = {
        need: (recording or _recording(folder)) if need == "activity" else folder.store(need)
        for need in FIGURES[name].needs
    }
    figure_step(name, files, stem, plot=plot)


def _fitting(analysis: AnalysisConfig, *, n_held_out: int) -> AnalysisConfig:
    """The same analysis with rollouts no longer than what is held out.

    Raises:
        ValueError: If hardly anything is held out.
    """
    rollout = analysis.rollout
    longest = n_held_out - 1
    if longest < 2:
        raise ValueError(
            f"{n_held_out} frames are held out, too few to judge a fit; record longer or raise "
            "validation_fraction"
        )
    if rollout.n_frames <= longest:
        return analysis
    frames = tuple(frame for frame in rollout.report_frames if frame <= longest)
    shorter = {"n_frames": longest, "report_frames": frames or (longest // 2, longest)}
    logger.warning("rollouts of %d instead of %d frames", longest, rollout.n_frames)
    return analysis.model_copy(update={"rollout": rollout.model_copy(update=shorter)})


def _recording(folder: FitFolder) -> Path:
    """The recording that was fitted; the workflow's lies beside its fits.

    Raises:
        FileNotFoundError: If it was discarded, or the folder holds no fit.
    """
    if folder.is_of_workflow:
        seed = Path(os.path.realpath(folder.path)).parent
        beside = seed / "activity.zarr"
        if not beside.exists():
            raise FileNotFoundError(
                f"{beside} does not exist, as where keep_recordings is false: simulate it again, "
                "or say where it is (--recording)"
            )
        return beside
    return folder.path / _request(folder)["recording"]


def _request(folder: FitFolder) -> dict[str, Any]:
    record = read_json(folder.request)
    wanted = {"recording", "seed", "fit", "analysis", "published"}
    if not isinstance(record, dict) or not wanted <= set(record):
        raise ValueError(f"{folder.request} was not written by `neuralgnn fit`")
    return record


def _lay(section: dict[str, Any], key: str, value: Any) -> None:
    *names, last = key.split(".")
    for name in names:
        section = section.setdefault(name, {})
    section[last] = value
