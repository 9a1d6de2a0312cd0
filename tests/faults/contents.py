"""What a run has left, to be compared with what another has left.

The bytes are to be the same, but for what a step measures of itself (times, memory, and the time
of day): it is left out of JSON files, of the metadata of stores with the seal that covers it, and
of ``model.pt``, whose other entries are compared one by one. Of figures the pixels and the drawing
are compared, not the note of their origin. TensorBoard's files carry times in their names and
records; the numbers in them are compared.
"""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from neuralgnn.models.checkpoint import read_checkpoint

from .steps import done

_MEASURED = {
    *("created", "seconds", "loop_seconds", "peak_mib", "fit_seconds", "fit_peak_mib"),
    "run",
    "attributes_sha256",  # of all attributes, those above among them; the others are compared
}
_EVENTS = "events.out.tfevents"


def contents(folder: Path) -> dict[str, Any]:
    """All that the steps leave, whatever they measure of themselves left out."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.parent == done("", folder):
            continue
        if path.name.startswith(_EVENTS):
            found[f"{path.parent.relative_to(folder)}/{_EVENTS}"] = scalars(path)
        elif path.suffix == ".json":
            found[name] = lasting(json.loads(path.read_bytes()))
        elif path.name == "model.pt":
            found[name] = lasting(read_checkpoint(path))
        elif path.suffix == ".png":
            found[name] = np.asarray(Image.open(path)).tobytes()
        elif path.suffix == ".pdf":
            found[name] = re.findall(rb"stream\r?\n(.*?)endstream", path.read_bytes(), re.DOTALL)
        else:
            found[name] = path.read_bytes()
    return found


def lasting(value: Any) -> Any:
    """The same without measured entries, in values that can be compared."""
    if isinstance(value, dict):
        return {key: lasting(inner) for key, inner in value.items() if key not in _MEASURED}
    if isinstance(value, list | tuple):
        return [lasting(inner) for inner in value]
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    return value


def scalars(events: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of everything in a file of TensorBoard's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies warn of each other's deprecations
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

        return [
            (event.step, value.tag, value.tensor.float_val[0])
            for event in EventFileLoader(str(events)).Load()
            for value in event.summary.value
        ]
