"""A job of the workflow: its log, its threads, what it took; one line if it fails."""

__all__ = ["USER_ERRORS", "explain", "job"]

import errno
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from neuralgnn.steps.jobs import Task

logger = logging.getLogger(__name__)

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


_QUIET = 60.0  # seconds after which a job that says nothing is seen to be alive
_POOLS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB", "BLIS", "NUMBA")


def bound_threads(n_threads: int) -> None:
    """Bounds the threads of BLAS, OpenMP, numba and torch; before any of them is imported."""
    for pool in _POOLS:
        name = "VECLIB_MAXIMUM_THREADS" if pool == "VECLIB" else f"{pool}_NUM_THREADS"
        os.environ[name] = str(n_threads)


@contextmanager
def job(log: str | Path, task: "Task | None" = None) -> Iterator[None]:
    """Sends everything a job says to its log; a failure also to the terminal, in one line.

    What a task took is written beside its log (:class:`neuralgnn.steps.jobs.JobRecord`); more
    memory than its rule declares is warned of. Its threads are those that its rule was given, and
    a minute without a word is ended by one that it is still running.

    Args:
        log: File of the rule's log, which Snakemake cannot fill by itself for a script.
        task: The job as Snakemake describes it.

    Raises:
        SystemExit: If the job fails.
    """
    began = time.monotonic()
    if task is not None:
        bound_threads(task.threads)
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
            with _sign_of_life(Path(log), began):
                if task is not None:
                    _describe(task)
                yield
            if task is not None:
                _account(task, Path(log), terminal, seconds=time.monotonic() - began)
        except Exception as error:
            if isinstance(error, USER_ERRORS):
                file.write(f"error: {explain(error)}\n")
            else:
                traceback.print_exc(file=file)
            terminal.write(f"error: {type(error).__name__}: {explain(error)}\n")
            raise SystemExit(1) from None


def _describe(task: "Task") -> None:
    from neuralgnn.data.cost import describe_task

    describe_task(rule=task.rule, threads=task.threads)


def _account(task: "Task", log: Path, terminal: TextIO, *, seconds: float) -> None:
    """Writes down what a job took, and complains if that is more than was declared."""
    from neuralgnn.data.cost import peak_mib
    from neuralgnn.steps.jobs import record_of

    record = record_of(task, seconds=seconds, peak_mib=peak_mib(), ended=time.time())
    with suppress(OSError):  # a full disk is no reason to give up what has been computed
        record.write(log)
    logger.info("%.1f s, peak memory %.0f of %s MiB", seconds, record.peak_mib, record.mem_mb)
    if record.over:
        text = (
            f"rule {task.rule} took {record.peak_mib:.0f} MiB and declares mem_mb={record.mem_mb};"
            " a cluster may end it there: raise it in workflow/rules"
        )
        logger.warning(text)
        terminal.write(f"warning: {text}\n")


@contextmanager
def _sign_of_life(log: Path, began: float) -> Iterator[None]:
    """Writes a line into the log whenever nothing else was for a minute."""
    done = threading.Event()

    def watch() -> None:
        from neuralgnn.data.cost import peak_mib

        while not done.wait(_QUIET / 4):
            with suppress(OSError):
                if time.time() - log.stat().st_mtime >= _QUIET:
                    minutes = (time.monotonic() - began) / 60
                    logger.info("running for %.0f min, peak memory %.0f MiB", minutes, peak_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
