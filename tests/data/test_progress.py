"""Long work says how far it is: a bar on a terminal, a line a minute elsewhere."""

import io
import logging
import sys

import pytest

from neuralgnn.data import progress as module
from neuralgnn.data.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_a_minute_with_rate_and_time_left(
    seconds: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), Progress("simulate", 1000, done=100, unit="frame") as bar:
        for step in range(101, 401):  # two a second
            seconds[0] += 0.5
            bar.to(step, loss=0.25)

    assert [record.getMessage() for record in caplog.records] == [
        "simulate: frame 220 of 1000, 2 frames/s, 390 s left, loss 0.25",
        "simulate: frame 340 of 1000, 2 frames/s, 330 s left, loss 0.25",
    ]


def test_a_step_that_takes_minutes_has_no_rate_before_it_is_done(
    seconds: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), Progress("fit", 10, done=3) as bar:
        seconds[0] = 200.0
        bar.to(3)

    assert caplog.records == []


def test_a_terminal_gets_a_bar_with_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO), Progress("fit", 10, unit="frame") as bar:
        for step in range(1, 11):
            bar.to(step)

    assert "fit: 100%" in terminal.getvalue()
    assert "frame/s" in terminal.getvalue() and "<" in terminal.getvalue()
    assert caplog.records == []
