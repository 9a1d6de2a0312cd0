"""What a run has left, to be compared with what another has left.

The bytes are to be the same but for three things. What a step measures of itself (times, memory)
and the time of day in its JSON files are left out. TensorBoard's files carry times in their names
and records; the numbers in them are compared.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from .steps import done

_MEASURED = {"created", "seconds", "loop_seconds", "peak_mib", "fit_seconds", "fit_peak_mib"}
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
        elif path.suffix == ".json" and path.name != "zarr.json":
            found[name] = lasting(json.loads(path.read_bytes()))
        else:
            found[name] = path.read_bytes()
    return found


def lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: lasting(inner) for key, inner in value.items() if key not in _MEASURED}
    return [lasting(inner) for inner in value] if isinstance(value, list) else value


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
