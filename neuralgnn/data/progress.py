"""How far long work is: a bar on a terminal, a line a minute in a log."""

__all__ = ["Progress"]

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

_INTERVAL = 60.0  # seconds between lines in a log


class Progress:
    """Shows steps done, rate and time left.

    Args:
        name: What is being done.
        n_steps: Steps in all.
        done: Steps that an earlier run has done.
        show: Whether to show anything.
        unit: What a step is called.
    """

    def __init__(
        self, name: str, n_steps: int, *, done: int = 0, show: bool = True, unit: str = "step"
    ) -> None:
        terminal = show and sys.stderr.isatty()
        self._bar = tqdm(total=n_steps, initial=done, desc=name, unit=unit, disable=not terminal)
        self._log = show and not terminal
        self._name, self._unit, self._n_steps = name, unit, n_steps
        self._done = self._step = done
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def to(self, step: int, **values: float) -> None:
        """Moves on to a step, with numbers to show beside it."""
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, False)
        self._bar.update(step - self._step)
        self._step = step
        now = time.monotonic()
        if self._log and step > self._done and now - self._last >= _INTERVAL:
            self._last = now
            rate = (step - self._done) / (now - self._start)
            numbers = "".join(f", {name} {value:.4g}" for name, value in values.items())
            logger.info(
                "%s: %s %d of %d, %.3g %ss/s, %.0f s left%s",
                self._name,
                self._unit,
                step,
                self._n_steps,
                rate,
                self._unit,
                (self._n_steps - step) / rate,
                numbers,
            )
