"""Step ``select``: from checkpoints to the one model of a fit."""

__all__ = ["select_step"]

from pathlib import Path

from neuralgnn.config.fit import FitConfig
from neuralgnn.data.cost import measured, run_record
from neuralgnn.data.provenance import provenance
from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import write_json
from neuralgnn.models.checkpoint import read_checkpoint, write_atomically
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.training import training_of
from neuralgnn.train.select import select


@measured()
def select_step(recording: Path, config: FitConfig, folder: FitFolder) -> None:
    """Copies the checkpoint with the smallest one-step error on held-out frames to ``model.pt``.

    The model also says what its fit took, which a checkpoint cannot: a continued fit ends in
    checkpoints of the same bytes.

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
        fitted = training_of(folder, config).get("provenance", {})
        chosen = select(
            open_recording(recording),
            folder.checkpoints,
            target_kind=config.target.kind,
            validation_fraction=config.validation_fraction,
            device=config.device,
        )
        content = read_checkpoint(folder.checkpoints / chosen["file"])
        run = {**fitted.get("run", {}), "selection": run_record()}
        origin = {**content["provenance"], "run": run}
        write_atomically(folder.model, {**content, "provenance": origin})
        about = {key: value for key, value in fitted.items() if key in ("recording", "seed")}
        write_json(
            folder.selection,
            {**chosen, "provenance": provenance(config.model_dump(mode="json"), **about)},
        )
