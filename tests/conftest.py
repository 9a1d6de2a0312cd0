"""What all tests share."""

from collections.abc import Callable

import pytest

_COUNTS: list[str] = []


@pytest.fixture(scope="session")
def record_count() -> Callable[..., None]:
    """Keeps a line for the end of the tests: what, how many, of how many."""

    def record(what: str, n: int, of: int, more: str = "") -> None:
        _COUNTS.append(f"{what}: {n} of {of}" + (f" ({more})" if more else ""))

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _COUNTS:
        terminalreporter.write_line(line)
