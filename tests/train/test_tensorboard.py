"""TensorBoard itself shows the curves of a fit."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from neuralgnn.config import FitConfig
from neuralgnn.data import Recording
from neuralgnn.train import train

Config = Callable[..., FitConfig]

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Starts TensorBoard on a free port and gives its address; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(logs: Path) -> str:
        said = tmp_path / "said.txt"
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
        options = ["--port", "0", "--host", "127.0.0.1", "--load_fast", "false"]
        with said.open("w") as file:
            started.append(subprocess.Popen([*command, *options], stdout=file, stderr=file))
        for _ in range(600):
            if found := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text()):
                return found[0]
            assert started[0].poll() is None, said.read_text()
            time.sleep(0.1)
        raise TimeoutError(said.read_text())

    yield start
    for process in started:
        process.terminate()
        process.wait()


def test_tensorboard_shows_the_curves_of_a_fit(
    recording: Recording,
    sgd_config: Config,
    folders: dict[str, Path],
    server: Callable[[Path], str],
) -> None:
    train(recording, sgd_config(weight_l1=1e-4), **folders, seed=3, progress=False)

    address = server(folders["out"] / "tensorboard")
    runs = ask(address + "data/plugin/scalars/tags")

    assert set(runs["."]) == {"train/rmse", "train/phi_zero", "train/weight_l1", "train/rate"}
    query = urlencode({"run": ".", "tag": "train/rmse"})
    points = ask(f"{address}data/plugin/scalars/scalars?{query}")
    assert [step for _, step, _ in points] == [20, 40, 60]
    assert points[-1][2] < points[0][2]


def ask(address: str):
    """What the server answers, asked again while it is still reading its logs."""
    for _ in range(100):
        with urlopen(address, timeout=30) as answer:
            if found := json.load(answer):
                return found
        time.sleep(0.1)
    raise TimeoutError(f"{address} has nothing to show")
