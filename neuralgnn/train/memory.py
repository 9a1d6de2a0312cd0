"""What a training process asks of the system's memory."""

__all__ = ["keep_freed_memory"]

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Lets the process reuse freed memory instead of handing it back at once.

    A training step allocates and frees the same few megabytes each time. glibc returns blocks
    of that size to the system and fetches zeroed pages again, which took half of a step. Does
    nothing where the C library has no such setting.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, 1 << 30)
