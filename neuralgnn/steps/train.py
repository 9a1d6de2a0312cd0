"""Step ``train``: from a recording to checkpoints, in one job or in several."""

__all__ = ["train_part_step", "train_step"]

from pathlib import Path

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.cost import measured
from neuralgnn.data.recording import open_recording
from neuralgnn.steps.folders import FitFolder
from neuralgnn.train.run import train, train_part


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
