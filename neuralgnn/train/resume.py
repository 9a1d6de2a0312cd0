"""The point from which a killed fit goes on: one file, valid for one fit only."""

__all__ = ["ResumePoint"]

import logging
from pathlib import Path
from typing import Any

from neuralgnn.models.checkpoint import read_checkpoint, write_atomically

logger = logging.getLogger(__name__)

_FORMAT = "neuralgnn resume point"


class ResumePoint:
    """One file that is replaced whole at every save.

    A point of another fit (other settings, recording, seed or code) or a damaged one is left
    unused with a warning and overwritten by the next save: it can only cost time, and a rerun
    after a change of the settings must not need a hand.

    Args:
        path: The file.
        key: Digest of everything that decides the result.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self.path, self.key = path, key

    def save(self, content: dict[str, Any]) -> None:
        """Replaces the point."""
        write_atomically(self.path, {"format": _FORMAT, "key": self.key, "content": content})

    def load(self) -> dict[str, Any] | None:
        """Returns what was saved for this fit, None if there is nothing."""
        try:
            stored = read_checkpoint(self.path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            logger.warning("starting over: %s", error)
            return None
        if stored.get("format") != _FORMAT or stored.get("key") != self.key:
            logger.warning(
                "starting over: %s was left by a fit with other settings, recording, seed or "
                "code and is not used",
                self.path,
            )
            return None
        return stored["content"]
