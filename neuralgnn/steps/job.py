"""A job of the workflow: its log, and one line on the terminal if it fails."""

__all__ = ["USER_ERRORS", "explain", "job"]

import errno
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER_ERRORS = (ValueError, OSError, MemoryError, FloatingPointError)
"""What wrong input raises, with a message that says what to do; anything else is a bug."""


_WAYS_OUT = {
    errno.ENOSPC: "free some room there, then start the same again: it goes on where it was",
    errno.EDQUOT: "free some room there, then start the same again: it goes on where it was",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then start the same again",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "choose a folder that you may write to",
}


def explain(error: BaseException) -> str:
    """An error in one line: what, where, and for a disk the way out."""
    if isinstance(error, OSError) and error.strerror:
        file = error.filename2 or error.filename  # of two, the second is the one written
        where = f"{file}: " if file else ""
        way = _WAYS_OUT.get(error.errno or 0)
        return f"{where}{error.strerror}" + (f"; {way}" if way else "")
    return " ".join(str(error).split()) or type(error).__name__


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
                file.write(f"error: {explain(error)}\n")
            else:
                traceback.print_exc(file=file)
            terminal.write(f"error: {type(error).__name__}: {explain(error)}\n")
            raise SystemExit(1) from None
