"""How a result was made, beside what it is: command, time of day, wall time, peak memory.

Two runs of the same settings differ in these and in nothing else. They stand in an entry of their
own, ``provenance["run"]``, so that everything around it can still be compared byte for byte.
"""

__all__ = ["COMMAND", "describe_task", "measured", "peak_mib", "run_record", "typed_command"]

import os
import resource
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COMMAND = "NEURALGNN_COMMAND"
"""Environment variable in which a workflow hands its command on to its jobs."""

_STARTED = time.monotonic()
_began: ContextVar[float] = ContextVar("began", default=_STARTED)
_task: dict[str, Any] = {}


@contextmanager
def measured() -> Iterator[None]:
    """Context, or decorator, whose beginning is when the clock of :func:`run_record` starts."""
    token = _began.set(time.monotonic())
    try:
        yield
    finally:
        _began.reset(token)


def run_record(*, began: float | None = None, earlier: float = 0.0) -> dict[str, Any]:
    """What the run that is going on has taken until now.

    Args:
        began: When it began, by ``time.monotonic``; None: the innermost :func:`measured`, or the
            start of the program.
        earlier: What runs that were killed and are continued here have taken [s].

    Returns:
        ``command``, ``created`` (UTC), ``seconds`` of wall time, ``peak_mib`` (largest resident
        memory of the process so far), and what :func:`describe_task` was told.
    """
    seconds = time.monotonic() - (_began.get() if began is None else began) + earlier
    return {
        "command": os.environ.get(COMMAND) or typed_command(),
        **_task,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_mib": round(peak_mib(), 1),
    }


def describe_task(**about: Any) -> None:
    """Adds entries, such as the rule and its threads, to all further records of this process."""
    _task.clear()
    _task.update(about)


def peak_mib() -> float:
    """Largest resident memory of this process so far [MiB]."""
    try:
        # Unlike ru_maxrss, which a new program inherits from the process that started it.
        status = Path("/proc/self/status").read_text()
        return float(status.partition("VmHWM:")[2].split()[0]) / 2**10
    except (OSError, IndexError, ValueError):  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def typed_command() -> str:
    """What was typed, without the folder that the program lies in."""
    program, *arguments = sys.argv or [""]
    path = Path(program)
    if path.name == "__main__.py":
        words = ["python", "-m", path.parent.name]
    elif program in ("", "-c"):
        words = ["python", *([program] if program else [])]
    else:
        words = [path.name]
    return shlex.join([*words, *arguments])
