"""Two runs on the same results at once: the second is refused and changes nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import import_recording, only_writer
from neuralgnn.steps.alone import analyse_alone, fit_alone
from neuralgnn.steps.figure import figure_step
from neuralgnn.steps.folders import FitFolder

from .contents import contents
from .steps import FITS, prepare, run_step
from .test_kills import complaints, start

_HOLDER = """
import sys
from pathlib import Path
from neuralgnn.data.scratch import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_of_a_result_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match="out is being written by another process"):
            only_writer(tmp_path / "out").__enter__()
        holder.kill()
    assert (tmp_path / ".out.lock").exists()

    with only_writer(tmp_path / "out"):
        pass

    assert list(tmp_path.iterdir()) == []


def fit_with_other_settings(folder: Path) -> None:
    fit_alone(folder / "activity.zarr", FITS["sgd"], FitFolder(folder / "fit"), seed=2)


def analyse_with_other_settings(folder: Path) -> None:
    analyse_alone(FitFolder(folder / "fit"), overrides={"rollout.n_starts": 2})


def import_another_array(folder: Path) -> None:
    np.save(folder.parent / "a.npy", np.zeros((100, 3)))
    import_recording(folder.parent / "a.npy", folder / "activity.zarr", dt=1.0)


def draw(folder: Path) -> None:
    stores = {
        name: folder / f"sgd/analysis/{name}.zarr" for name in ("weights", "identifiability")
    }
    figure_step("identifiability", stores, folder / "figures/one")


DOORS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "simulation": ("activity.zarr", lambda folder: run_step("simulate", folder)),
    "import": ("activity.zarr", import_another_array),
    "fit by sgd": ("sgd/checkpoints", lambda folder: run_step("sgd", folder)),
    "fit by varpro": ("varpro/checkpoints", lambda folder: run_step("varpro", folder)),
    "selection": ("sgd/model.pt", lambda folder: run_step("analyse", folder)),
    "fit without the workflow": ("fit/fit.json", fit_with_other_settings),
    "analysis without the workflow": ("fit/fit.json", analyse_with_other_settings),
    "figure": ("figures/one", draw),
}


@pytest.mark.parametrize("door", DOORS)
def test_what_another_process_writes_is_left_to_it(door: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    prepare("analyse", whole, folder)
    shutil.copytree(whole / "sgd/analysis", folder / "sgd/analysis")
    (folder / "fit").mkdir()
    request = ("recording", "seed", "fit", "analysis", "published")
    (folder / "fit/fit.json").write_text(json.dumps(dict.fromkeys(request)))
    written, use = DOORS[door]
    with only_writer(folder / written):
        before = contents(folder)

        with pytest.raises(BlockingIOError, match=f"{written} is being written by another"):
            use(folder)

        assert contents(folder) == before


@pytest.mark.faults
def test_two_runs_at_once_end_in_one_result(
    whole: Path, tmp_path: Path, record_count: Callable[..., None]
) -> None:
    """Whichever of them comes second is refused; what is left is what one alone leaves."""
    n_refused = 0
    for number in range(5):
        folder = tmp_path / f"run_{number}"
        folder.mkdir()
        with start(folder) as first, start(folder) as second:
            codes = sorted([first.wait(), second.wait()])
        assert codes[0] == 0, complaints(folder)
        if codes[1] != 0:
            n_refused += 1
            assert "is being written by another process" in complaints(folder)
        assert contents(folder) == contents(whole)
    record_count("second runs refused", n_refused, 5)
