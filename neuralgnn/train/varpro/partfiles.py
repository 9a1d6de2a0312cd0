"""Products of a fit's parts on disk: whole or absent, and refused by any other fit."""

__all__ = ["PartFiles"]

from pathlib import Path
from typing import Any

from neuralgnn.data.cost import peak_mib
from neuralgnn.models.checkpoint import read_checkpoint, write_atomically

_FORMAT = "neuralgnn part of a fit"


class PartFiles:
    """One file per part in a folder that the jobs of a fit share.

    Args:
        folder: The folder.
        key: Digest of everything that decides what is in the files.

    Attributes:
        took: Seconds and peak memory [MiB] of every part that is in what was loaded, by name.
    """

    def __init__(self, folder: Path, *, key: str) -> None:
        self.folder, self.key = folder, key
        self.took: dict[str, dict[str, float]] = {}

    @property
    def seconds(self) -> float:
        """Seconds of all parts together."""
        return sum(each["seconds"] for each in self.took.values())

    @property
    def peak_mib(self) -> float:
        """Peak memory of the largest [MiB]."""
        return max(each["peak_mib"] for each in self.took.values())

    def path(self, part: str) -> Path:
        """File of a part."""
        return self.folder / f"{part}.pt"

    def save(self, part: str, product: dict[str, Any], *, seconds: float) -> None:
        """Leaves a product, with what it and the parts in it took."""
        took = self.took | {part: {"seconds": seconds, "peak_mib": peak_mib()}}
        content = {
            "format": _FORMAT,
            "key": self.key,
            "part": part,
            "product": product,
            "took": took,
        }
        write_atomically(self.path(part), content)

    def load(self, part: str) -> dict[str, Any]:
        """Takes up a product.

        Raises:
            FileNotFoundError: If it has not been made.
            ValueError: If it is damaged, or belongs to another fit.
        """
        path = self.path(part)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist: part {part!r} of the fit has not been made yet, or was "
                "removed as no longer needed; make the parts that it needs again"
            )
        content = read_checkpoint(path)
        found = {name: content.get(name) for name in ("format", "key", "part")}
        if found != {"format": _FORMAT, "key": self.key, "part": part}:
            raise ValueError(
                f"{path} is no part {part!r} of this fit: it was made with other settings, "
                "another number of jobs, another recording, seed or code. Remove it, and start "
                "the run again"
            )
        self.took |= content["took"]
        return content["product"]
