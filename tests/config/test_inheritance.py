"""Experiments that extend another: what is inherited, what is not, and what errors point at."""

from pathlib import Path

import pytest

from neuralgnn.config import ConfigError, load_experiment

BASE = """
title: base
source: a paper
simulation:
  n_neurons: 20
  n_frames: 5000
  neuron_types: [{}, {decay: 2}]
  connectivity: {kind: cauchy, clip: 9}
  record_drift: true
fits:
  varpro: {target: {kind: drift}, trainer: {kind: varpro, n_receivers: 5}}
  sgd: {trainer: {kind: sgd}}
analysis:
  rollout: {n_frames: 100, report_frames: [50]}
published: {weights_r2: 1.0}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_mappings_are_merged_and_the_rest_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE)
    path = write(
        tmp_path,
        "derived",
        "extends: base\ntitle: derived\nsimulation: {n_frames: 2000, neuron_types: [{decay: 3}]}\n"
        "fits: {varpro: {trainer: {n_receivers: 7}}}\n",
    )
    base, derived = load_experiment(tmp_path / "base.yaml"), load_experiment(path)

    assert derived.simulation.n_frames == 2000
    assert derived.simulation.n_neurons == 20
    assert [row.decay for row in derived.simulation.neuron_types] == [3]
    assert derived.fits["varpro"].trainer.n_receivers == 7
    assert derived.fits["varpro"].target == base.fits["varpro"].target
    assert derived.fits["sgd"] == base.fits["sgd"]
    assert derived.analysis == base.analysis


def test_title_source_and_published_numbers_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE)
    derived = load_experiment(write(tmp_path, "derived", "extends: base\ntitle: derived\n"))

    assert (derived.title, derived.source, derived.published) == ("derived", "", {})
    with pytest.raises(ConfigError, match="title: missing"):
        load_experiment(write(tmp_path, "other", "extends: base\n"))


def test_another_kind_replaces_the_variant_and_null_removes_a_fit(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE)
    path = write(
        tmp_path,
        "derived",
        "extends: base\ntitle: derived\nsimulation: {connectivity: {kind: ring}}\n"
        "fits: {sgd: null}\n",
    )
    derived = load_experiment(path)

    assert derived.simulation.connectivity.kind == "ring"
    assert list(derived.fits) == ["varpro"]


def test_an_error_points_at_the_file_that_the_value_comes_from(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE.replace("n_receivers: 5", "n_receivers: 0"))
    path = write(
        tmp_path, "derived", "extends: base\ntitle: derived\nsimulation:\n  n_frames: 5\n"
    )

    with pytest.raises(ConfigError) as error:
        load_experiment(path)

    lines = str(error.value).splitlines()
    assert any(line.startswith(f"{path}:4: simulation.n_frames: found 5") for line in lines)
    assert any(f"{tmp_path / 'base.yaml'}:11: fits.varpro.trainer" in line for line in lines)


def test_a_missing_base_and_a_circle_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE)
    path = write(tmp_path, "derived", "extends: bass\ntitle: derived\n")
    with pytest.raises(ConfigError, match=r"yaml:1: extends: found 'bass'.*did you mean 'base'"):
        load_experiment(path)

    write(tmp_path, "one", "extends: two\ntitle: one\n")
    write(tmp_path, "two", "extends: one\ntitle: two\n")
    with pytest.raises(ConfigError, match="in a circle: one -> two -> one"):
        load_experiment(tmp_path / "one.yaml")
