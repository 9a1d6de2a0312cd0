"""Scratch folders beside a result, which a killed process cannot leave behind for good.

A process that writes holds a lock on its scratch folder, and the system drops the lock when the
process ends, however it ends. A scratch folder whose lock can be had is a leftover: whoever next
writes to the same path, or asks for the folder to be cleaned, removes it. Clocks, process numbers
and host names play no part, so it holds on a shared file system too.
"""

__all__ = ["remove_leftovers", "scratch_folder"]

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

_SUFFIX = ".scratch"
_LOCK = ".lock"
_OURS: set[Path] = set()  # NFS locks are per process: they do not tell our own folders apart


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Gives a new folder beside ``path``, removed at the end; leftovers for ``path`` go first."""
    remove_leftovers(path.parent, name=path.name)
    folder, lock = _claim(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _OURS.discard(folder)
        os.close(lock)


def remove_leftovers(folder: Path, *, name: str | None = None) -> None:
    """Removes what killed processes left in a folder; what a living one uses stays.

    Args:
        folder: Where to look; it need not exist.
        name: Only leftovers of writing this file or store; None: all.
    """
    pattern = f".{'*' if name is None else escape(name)}.*{_SUFFIX}"
    for leftover in set(folder.glob(pattern)) - _OURS:
        with suppress(OSError):  # gone meanwhile, in use, or a file system without locks
            lock = os.open(leftover / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lock)


def _claim(path: Path) -> tuple[Path, int]:
    """A new folder and the descriptor of its lock, which is held."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent))
        _OURS.add(folder)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # another process took it for a leftover before it was locked
            _OURS.discard(folder)
            continue
        with suppress(OSError):  # a file system without locks: nobody will take it for a leftover
            fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), (folder / _LOCK).stat()):
                return folder, lock
        _OURS.discard(folder)
        os.close(lock)
