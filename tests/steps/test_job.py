"""A job's log holds everything, the terminal one line."""

import errno
import logging
import sys
from pathlib import Path

import pytest

from neuralgnn.steps.job import explain, job


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch):
    """A job takes streams and logging for good: its process ends with it."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    handlers = logging.root.handlers[:]
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers


def test_output_and_log_records_go_to_the_log(tmp_path: Path) -> None:
    with job(tmp_path / "log"):
        sys.stderr.write("progress\n")
        logging.getLogger("neuralgnn").info("saved")

    text = (tmp_path / "log").read_text()
    assert "progress" in text
    assert "INFO neuralgnn: saved" in text


@pytest.mark.parametrize(
    ("error", "is_bug"), [(ValueError("bad dt"), False), (KeyError("x"), True)]
)
def test_a_failure_is_one_line_on_the_terminal_and_a_trace_only_for_a_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, is_bug: bool
) -> None:
    with pytest.raises(SystemExit, match="1"), job(tmp_path / "log"):
        raise error

    assert capsys.readouterr().err == f"error: {type(error).__name__}: {error}\n"
    assert ("Traceback" in (tmp_path / "log").read_text()) == is_bug


def test_of_two_files_the_one_that_could_not_be_written_is_named() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "from.pt", None, "to.pt")

    assert explain(error).startswith("to.pt: No space left on device; free some room there")
