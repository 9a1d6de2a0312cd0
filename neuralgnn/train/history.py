"""How the loss went: rows for a table and for TensorBoard, fetched from the device in bundles."""

__all__ = ["History"]

import csv
import math
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuralgnn.data import atomic_path
from neuralgnn.train.terms import Terms


class History:
    """Means of the loss terms over stretches of steps.

    Reading a loss waits for the device, so terms are kept there and read at :meth:`flush`.

    Args:
        values_per_step: Residuals in a batch, to turn the norm into a root mean square.
        rows: Rows of an earlier run.

    Attributes:
        rows: One per stretch: ``step`` it ends with, ``rmse`` [activity/time unit], each penalty
            (coefficient included), ``rate`` (factor of the learning rates).
    """

    def __init__(
        self, *, values_per_step: int, rows: list[dict[str, float]] | None = None
    ) -> None:
        self.rows = list(rows or [])
        self._values = values_per_step
        self._names: list[str] = []
        self._waiting: list[Tensor] = []
        self._step, self._rate = 0, 0.0
        self._writer: Any = None

    def add(self, terms: Terms, *, step: int, rate: float) -> None:
        """Keeps the terms of a step."""
        self._names = ["fit", *terms.penalties]
        self._waiting.append(torch.stack([terms.fit, *terms.penalties.values()]).detach())
        self._step, self._rate = step, rate

    def flush(self) -> dict[str, float]:
        """Makes a row of what was added since the last one; returns its root mean square error.

        Raises:
            FloatingPointError: If a term stopped being finite.
        """
        if not self._waiting:
            return {}
        values = torch.stack(self._waiting).double().cpu()  # (steps, terms)
        self._check_finite(values)
        self._waiting = []
        rmse = math.sqrt(float(values[:, 0].square().mean()) / self._values)
        means = dict(zip(self._names[1:], values[:, 1:].mean(dim=0).tolist(), strict=True))
        row = {"step": self._step, "rmse": rmse, **means, "rate": self._rate}
        self.rows.append(row)
        self._show(row)
        return {"rmse": rmse}

    @contextmanager
    def follow(self, folder: Path) -> Iterator[None]:
        """Writes every row to TensorBoard too, beginning with those there are.

        Events of an interrupted run are replaced: its rows are in the resume point.
        """
        shutil.rmtree(folder, ignore_errors=True)
        with warnings.catch_warnings():
            # Its dependencies warn of each other's deprecations; nobody here can act on that.
            warnings.simplefilter("ignore")
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))
        try:
            for row in self.rows:
                self._show(row)
            yield
        finally:
            self._writer.close()
            self._writer = None

    def write(self, path: Path) -> None:
        """Writes all rows as comma-separated values."""
        with atomic_path(path) as scratch, scratch.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def _show(self, row: dict[str, float]) -> None:
        if self._writer is None:
            return
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(f"train/{name}", value, int(row["step"]))

    def _check_finite(self, values: Tensor) -> None:
        broken = (~values.isfinite()).any(dim=1).nonzero()
        if len(broken) == 0:
            return
        first = int(broken[0])
        step = self._step - len(values) + 1 + first
        terms = {
            name: f"{value:g}"
            for name, value in zip(self._names, values[first].tolist(), strict=True)
        }
        raise FloatingPointError(
            f"the loss stopped being finite at step {step} ({terms}). Lower trainer.lr_weight and "
            "trainer.lr_functions, or the coefficient of the penalty that is not finite"
        )
