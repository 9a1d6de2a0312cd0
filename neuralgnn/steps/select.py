"""Step ``select``: from checkpoints to the one model of a fit."""

__all__ = ["select_step"]

import shutil
from pathlib import Path

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import atomic_path, write_json
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.training import training_of
from neuralgnn.train.select import select


def select_step(recording: Path, config: FitConfig, folder: FitFolder) -> None:
    """Copies the checkpoint with the smallest one-step error on held-out frames to ``model.pt``.

    Args:
        recording: Folder of the recording.
        config: The fit.
        folder: Where its files lie.

    Raises:
        FileNotFoundError: If there is no finished fit.
        ValueError: If it was made with other settings or another recording.
        BlockingIOError: If another process selects for the same fit.
    """
    with only_writer(folder.model):
        folder.selection.unlink(missing_ok=True)  # it vouches for the model, and is written last
        training_of(folder, config)
        chosen = select(
            open_recording(recording),
            folder.checkpoints,
            target_kind=config.target.kind,
            validation_fraction=config.validation_fraction,
            device=config.device,
        )
        with atomic_path(folder.model) as scratch:
            shutil.copyfile(folder.checkpoints / chosen["file"], scratch)
        write_json(folder.selection, chosen)
