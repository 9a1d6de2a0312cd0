"""Step ``discard``: a recording that everything was made from gives its room back."""

__all__ = ["discard_step"]

import logging
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from neuralgnn.data.recording import open_recording
from neuralgnn.data.scratch import only_writer
from neuralgnn.data.store import write_json
from neuralgnn.steps.simulate import ablated_recording, held_out_recording

_log = logging.getLogger(__name__)
_GOING = ".discarded"


def discard_step(recording: Path, record: Path) -> None:
    """Removes a recording, with those under held-out stimuli, and leaves what it was.

    The record has the recording's attributes: its settings, its seed and the digest of its
    content, by which a recording simulated anew is known to be the same. It is written first.
    A store is taken out of sight before anything in it is removed, so that a killed run leaves
    none that looks whole; the next run removes the rest.

    Args:
        recording: Folder of the recording.
        record: JSON file that stays.

    Raises:
        BlockingIOError: If a simulation is writing the recording.
        ValueError: If the recording is not whole: it is left as it is.
    """
    stores = (recording, held_out_recording(recording), ablated_recording(recording))
    with ExitStack() as held:
        for store in stores:
            held.enter_context(only_writer(store))
        found = {store.name: _about(store) for store in stores if store.exists()}
        write_json(record, {"discarded": found})
        for store in stores:
            going = store.with_name(store.name + _GOING)
            shutil.rmtree(going, ignore_errors=True)
            if store.exists():
                store.rename(going)
                shutil.rmtree(going)
    total = sum(entry["bytes"] for entry in found.values())
    _log.info("%s: %.1f GB given back", recording, total / 1e9)


def _about(store: Path) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return {"bytes": size, "attributes": open_recording(store).attrs}
