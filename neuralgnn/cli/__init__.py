"""The command ``neuralgnn``: the steps of an experiment without the workflow."""

__all__ = ["main"]

from neuralgnn.cli.main import main
