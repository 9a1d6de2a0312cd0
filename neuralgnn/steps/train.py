"""Step ``train``: from a recording to checkpoints."""

__all__ = ["train_step"]

from pathlib import Path

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.cost import measured
from neuralgnn.data.recording import open_recording
from neuralgnn.steps.folders import FitFolder
from neuralgnn.train.run import train


@measured()
def train_step(
    recording: Path, config: FitConfig, folder: FitFolder, *, state: Path, seed: int
) -> None:
    """Fits a model to a recording, whose truth is not opened.

    Args:
        recording: Folder of the recording.
        config: Target, model and trainer.
        folder: Where the checkpoints go.
        state: Where a killed run leaves what it resumes from.
        seed: Seed of initial values and batches.
    """
    train(open_recording(recording), config, out=folder.checkpoints, state=state, seed=seed)
