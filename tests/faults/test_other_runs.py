"""What another run left: settings edited on the way, another version, another clock, damage."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from neuralgnn.data.writer import RecordingWriter
from neuralgnn.models.checkpoint import load_model, load_sparse_model
from neuralgnn.steps.analyse import analyse_step
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.select import select_step
from neuralgnn.train.resume import ResumePoint

from .contents import contents
from .steps import ANALYSIS, FITS, LEAVES, prepare, run_step
from .test_damage import Damage, cut, empty, flip

POINT = {
    "simulate": (RecordingWriter, "_save_state", "activity.zarr.partial.npz"),
    "sgd": (ResumePoint, "save", "state/sgd.pt"),
    "varpro": (ResumePoint, "save", "state/varpro.pt"),
}
"""Where a step leaves what it goes on from."""


def interrupt(step: str, folder: Path, *, saves: int = 3, **options) -> Path:
    """Runs a step until it has saved a few times; gives the file that it would go on from."""
    owner, method, file = POINT[step]
    save, count = getattr(owner, method), []

    class Interrupted(Exception): ...

    def save_and_stop(*arguments) -> None:
        save(*arguments)
        count.append(1)
        if len(count) == saves:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, save_and_stop)
        with pytest.raises(Interrupted):
            run_step(step, folder, **options)
    assert (folder / file).is_file()
    return folder / file


def assert_ends_as(whole: Path, step: str, folder: Path) -> None:
    """Runs a step and asserts that it leaves what it leaves undisturbed."""
    run_step(step, folder)
    left, expected = (
        {
            name: value
            for name, value in contents(each).items()
            if name.startswith((*LEAVES[step], "state"))
        }
        for each in (folder, whole)
    )
    assert set(left) == set(expected)
    assert [name for name in left if left[name] != expected[name]] == []


@pytest.mark.parametrize("step", ["sgd", "varpro"])
def test_settings_edited_between_a_kill_and_the_next_start_hold_from_the_beginning(
    step: str, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(step, whole, tmp_path)
    older = FITS[step].model_copy(update={"validation_fraction": 0.2})
    point = interrupt(step, tmp_path, fits={step: older})

    assert_ends_as(whole, step, tmp_path)

    (warning,) = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert f"{point} was left by a fit with other settings" in warning


@pytest.mark.parametrize("step", ["sgd", "varpro"])
def test_a_finished_fit_with_other_settings_leaves_nothing_in_the_next(
    step: str, whole: Path, tmp_path: Path
) -> None:
    prepare(step, whole, tmp_path)
    trainer = FITS[step].trainer.model_copy(
        update={"n_steps": 30} if step == "sgd" else {"max_iterations": 2}
    )
    run_step(step, tmp_path, fits={step: FITS[step].model_copy(update={"trainer": trainer})})

    assert_ends_as(whole, step, tmp_path)


@pytest.mark.parametrize("step", POINT)
def test_a_point_left_by_another_version_is_not_gone_on_from(
    step: str, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(step, whole, tmp_path)
    caplog.set_level(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        name = "simulate.run" if step == "simulate" else f"train.{step}"
        name += ".recording_fit" if step == "varpro" else ""
        patch.setattr(f"neuralgnn.{name}.code_digest", lambda *packages: "of older code")
        interrupt(step, tmp_path)

    assert_ends_as(whole, step, tmp_path)

    told = [message for message in caplog.messages if "starting" in message]
    assert len(told) == 1
    assert str(tmp_path) in told[0]


POINT_DAMAGE: dict[str, Damage] = {
    "cut": cut(0.5),
    "empty": empty,
    "bit flipped": flip(0.5),
}


@pytest.mark.parametrize(
    ("step", "damage"),
    [
        pytest.param(step, damage, marks=[] if at_once else pytest.mark.faults)
        for step, at_once in {"simulate": True, "sgd": True, "varpro": False}.items()
        for damage in POINT_DAMAGE
    ],
)
def test_a_damaged_point_costs_time_only(
    step: str, damage: str, whole: Path, tmp_path: Path
) -> None:
    prepare(step, whole, tmp_path)
    POINT_DAMAGE[damage](interrupt(step, tmp_path))

    assert_ends_as(whole, step, tmp_path)


@pytest.mark.parametrize("year", [pytest.param(1971, marks=pytest.mark.faults), 2100])
@pytest.mark.parametrize("step", POINT)
def test_a_clock_that_was_set_changes_nothing(
    step: str, year: int, whole: Path, tmp_path: Path
) -> None:
    """Files from the far past or future: the clock was set forth or back between two starts."""
    prepare(step, whole, tmp_path)
    interrupt(step, tmp_path)
    moment = time.mktime((year, 6, 1, 0, 0, 0, 0, 0, 0))
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.utime(path, (moment, moment))

    assert_ends_as(whole, step, tmp_path)


def edit(path: Path, change: Callable[[dict], None]) -> Path:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


@pytest.mark.parametrize("load", [load_model, load_sparse_model])
def test_a_model_of_another_version_is_refused_with_a_way_out(
    load: Callable[[Path], object], whole: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes((whole / "sgd/model.pt").read_bytes())
    edit(path, lambda content: content.update(version=2))

    with pytest.raises(ValueError, match=r"model\.pt has format version 2.*or fit again"):
        load(path)


@pytest.mark.parametrize("step", ["select", "analyse"])
def test_a_fit_with_other_settings_is_neither_selected_from_nor_analysed(
    step: str, whole: Path, tmp_path: Path
) -> None:
    fit = FitFolder(prepare("analyse", whole, tmp_path) / "sgd")
    edited = FITS["sgd"].model_copy(update={"validation_fraction": 0.2})

    with pytest.raises(
        ValueError, match=r"training\.json .*validation_fraction: 0\.1 there, 0\.2"
    ):
        if step == "select":
            select_step(tmp_path / "activity.zarr", edited, fit)
        else:
            about = {"experiment": "e", "name": "sgd", "seed": 1}
            analyse_step(tmp_path / "activity.zarr", edited, fit, ANALYSIS, **about)


def test_checkpoints_of_another_recording_are_not_selected_from(
    whole: Path, tmp_path: Path
) -> None:
    prepare("analyse", whole, tmp_path)
    for file in (tmp_path / "sgd/checkpoints").glob("checkpoint_*.pt"):
        edit(file, lambda content: content["provenance"].update(recording="of another"))

    with pytest.raises(ValueError, match=r"checkpoint_\d+\.pt was fitted to another recording"):
        run_step("analyse", tmp_path)
