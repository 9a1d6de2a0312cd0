"""Where files of fits and tables lie: the one place that knows, for workflow and command line."""

__all__ = ["FitFolder", "origin_of"]

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FitFolder:
    """Files of one fit, whatever step writes them.

    Args:
        path: The folder; may contain wildcards of the workflow.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder that the trainer writes to."""
        return self.path / "checkpoints"

    @property
    def training(self) -> Path:
        """What the trainer says about itself: seconds, memory, list of checkpoints."""
        return self.checkpoints / "training.json"

    @property
    def history(self) -> Path:
        """Loss terms by step."""
        return self.checkpoints / "history.csv"

    @property
    def model(self) -> Path:
        """The selected checkpoint."""
        return self.path / "model.pt"

    @property
    def selection(self) -> Path:
        """Which checkpoint was selected, and the errors of all."""
        return self.path / "selection.json"

    @property
    def metrics(self) -> Path:
        """Numbers of the analysis."""
        return self.path / "metrics.json"

    def store(self, name: str) -> Path:
        """A store of the analysis, such as ``weights``."""
        return self.path / "analysis" / f"{name}.zarr"

    @property
    def circuit_table(self) -> Path:
        """Weights between every two cell types, of a fit on a graph."""
        return self.path / "analysis" / "circuit.csv"

    @property
    def changed(self) -> Path:
        """List of the changed networks whose stores ``changed_<name>`` are there; written last."""
        return self.path / "analysis" / "changed.json"

    @property
    def request(self) -> Path:
        """What a fit without the workflow was asked for."""
        return self.path / "fit.json"

    @property
    def is_of_workflow(self) -> bool:
        """Whether the workflow has made what is there."""
        return self.metrics.exists() and not self.request.exists()


def origin_of(table: Path) -> Path:
    """The file beside a table that says where its numbers come from."""
    return table.with_suffix(".origin.json")
