"""Step ``train``: from a recording to checkpoints, in one job or in several."""

__all__ = ["train_part_step", "train_step", "train_together_step"]

from collections.abc import Sequence
from pathlib import Path

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.cost import measured
from neuralgnn.data.recording import open_recording
from neuralgnn.steps.folders import FitFolder
from neuralgnn.train.run import train, train_part, train_together


@measured()
def train_step(
    recording: Path,
    config: FitConfig,
    folder: FitFolder,
    *,
    state: Path,
    seed: int,
    parts: Path | None = None,
) -> None:
    """Fits a model to a recording, whose truth is not opened.

    Args:
        recording: Folder of the recording.
        config: Target, model and trainer.
        folder: Where the checkpoints go.
        state: Where a killed run leaves what it resumes from.
        seed: Seed of initial values and batches.
        parts: Folder of the parts that jobs have made of the fit; None: all is made here.
    """
    opened = open_recording(recording)
    train(opened, config, out=folder.checkpoints, state=state, seed=seed, parts=parts)


@measured()
def train_together_step(
    recordings: Sequence[Path],
    config: FitConfig,
    folders: Sequence[FitFolder],
    *,
    state: Path,
    seeds: Sequence[int],
) -> None:
    """Fits a model to each recording of several seeds, in one job.

    Args:
        recordings: Folder of each recording.
        config: Target, model and trainer.
        folders: Where the checkpoints of each go.
        state: Where a killed run leaves what it resumes from.
        seeds: Seed of initial values and batches of each.
    """
    train_together(
        [open_recording(recording) for recording in recordings],
        config,
        outs=[folder.checkpoints for folder in folders],
        state=state,
        seeds=seeds,
    )


def train_part_step(
    recording: Path, config: FitConfig, file: Path, *, state: Path, seed: int
) -> None:
    """Makes one part of a fit that is cut into jobs.

    Args:
        recording: Folder of the recording.
        config: Target, model and trainer.
        file: The part's file, named after it, in the folder of all parts.
        state: Where a killed search leaves what it resumes from.
        seed: Seed of initial values.
    """
    opened = open_recording(recording)
    train_part(opened, config, file.stem, parts=file.parent, state=state, seed=seed)
