import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: str, folder: Path, config: Path) -> list[str]:
    """Snakemake in a folder of its own, without the profile of this machine."""
    return [
        *(sys.executable, "-m", "snakemake", *arguments),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
        *("--configfile", str(config), "--workflow-profile", "none", "--cores", "2"),
        # jobs of one thread each run two at a time
        *("--set-threads", "simulate=1", "train=1", "analyse=1"),
    ]


@pytest.fixture(scope="session")
def snakemake() -> Run:
    """Runs Snakemake in a folder with a configuration; gives exit code and output."""

    def run(*arguments: str, folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments, folder=folder, config=config),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, snakemake: Run) -> Path:
    """Folder in which the tiny configuration has run once; tests leave its results alone."""
    folder = tmp_path_factory.mktemp("tiny")
    run = snakemake(folder=folder, config=ROOT / "config" / "test.yaml")
    assert run.returncode == 0, run.stdout[-6000:]
    (folder / "said.txt").write_text(run.stdout)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Copies the project's configuration with lines of ``test.yaml`` replaced."""

    def write(*replacements: tuple[str, str], experiment: tuple[str, str] | None = None) -> Path:
        folder = tmp_path / "config"
        (folder / "experiments").mkdir(parents=True)
        for path in (ROOT / "config" / "experiments").glob("*.yaml"):
            text = path.read_text()
            if experiment is not None and path.stem == "fig_2":
                assert experiment[0] in text
                text = text.replace(*experiment)
            (folder / "experiments" / path.name).write_text(text)
        text = (ROOT / "config" / "test.yaml").read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (folder / "test.yaml").write_text(text)
        return folder / "test.yaml"

    return write
