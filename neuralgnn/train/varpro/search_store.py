"""Where a search stands, on disk, and how it went."""

__all__ = ["SearchStore", "write_history"]

import csv
import logging
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralgnn.data import atomic_path
from neuralgnn.train.resume import ResumePoint

logger = logging.getLogger(__name__)


class SearchStore:
    """Keeps searches, which are dataclasses, so that a killed one goes on identically.

    Args:
        point: The file.
        kinds: Dataclasses that searches are made of.

    Attributes:
        history: Number of every step from 1, and its numbers.
    """

    def __init__(self, point: ResumePoint, *, kinds: Sequence[type]) -> None:
        self.point = point
        self.history: list[list[float]] = []
        self._kinds = {kind.__name__: kind for kind in kinds}
        self._parts: dict[str, Any] = {}

    def load(self, part: str = "search") -> Any:
        """A part of the search; None if it has not been saved."""
        if not self._parts:
            content = self.point.load()
            if content is None:
                return None
            logger.info("going on from %s", self.point.path)
            self.history, self._parts = content["history"], content["parts"]
        return self._restored(self._parts.get(part))

    def save(self, search: Any, *, step: Sequence[float] | None, part: str = "search") -> None:
        """Keeps where a part of the search stands, and the numbers of the step that led there."""
        if step is not None:
            self.history.append([len(self.history) + 1, *step])
        self._parts = self._parts | {part: _plain(search)}
        self.point.save({"parts": self._parts, "history": self.history})

    def _restored(self, value: Any) -> Any:
        """Undoes :func:`_plain`."""
        if isinstance(value, list):
            return tuple(self._restored(each) for each in value)
        if not isinstance(value, dict):
            return value
        if value["kind"] == "array":
            return value["content"].numpy()
        content = {name: self._restored(each) for name, each in value["content"].items()}
        return self._kinds[value["kind"]](**content)


def _plain(value: Any) -> Any:
    """The same as dictionaries, lists, tensors and numbers."""
    if is_dataclass(value):
        content = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {"kind": type(value).__name__, "content": content}
    if isinstance(value, np.ndarray):
        return {"kind": "array", "content": torch.as_tensor(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def write_history(path: Path, columns: Sequence[str], rows: list[list[float]]) -> None:
    """Writes a history as a table: ``step``, and the numbers of every step."""
    with atomic_path(path) as partial, Path(partial).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *columns])
        writer.writerows(rows)
