"""A job of the workflow: its log, and one line on the terminal if it fails."""

__all__ = ["USER_ERRORS", "job"]

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER_ERRORS = (ValueError, OSError, MemoryError, FloatingPointError)
"""What wrong input raises, with a message that says what to do; anything else is a bug."""


@contextmanager
def job(log: str | Path) -> Iterator[None]:
    """Sends everything a job says to its log; a failure also to the terminal, in one line.

    Args:
        log: File of the rule's log, which Snakemake cannot fill by itself for a script.

    Raises:
        SystemExit: If the job fails.
    """
    terminal = sys.stderr
    with Path(log).open("w", buffering=1, encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        logging.basicConfig(
            stream=file,
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
            force=True,
        )
        logging.captureWarnings(True)
        try:
            yield
        except Exception as error:
            if isinstance(error, USER_ERRORS):
                file.write(f"error: {error}\n")
            else:
                traceback.print_exc(file=file)
            terminal.write(f"error: {type(error).__name__}: {error}\n")
            raise SystemExit(1) from None
