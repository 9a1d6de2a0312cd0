"""Settings of the fly: what is refused and how, and what stays as it was for assemblies."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from neuralgnn.config import (
    ConfigError,
    FlyConfig,
    SimulationConfig,
    load_experiment,
    read_simulation,
)
from neuralgnn.config.fly import CHECKPOINT_VARIABLE, PretrainedParameters, checkpoint_path

FLY: dict[str, Any] = {"kind": "fly", "record_drift": True}


def loaded(path: Path, simulation: dict[str, Any]) -> SimulationConfig | FlyConfig:
    fit = {"target": {"kind": "drift"}, "trainer": {"kind": "varpro_graph"}}
    values = {"title": "fly", "simulation": simulation, "fits": {"varpro": fit}}
    path.write_text(yaml.safe_dump(values))
    return load_experiment(path).simulation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extent": 0}, r"simulation\.extent: found 0; allowed: integer >= 1, <= 15 \(Radius"),
        ({"extent": 16}, r"simulation\.extent: found 16; allowed: integer >= 1, <= 15"),
        ({"extend": 8}, r"simulation\.extend: unknown key; did you mean 'extent'"),
        ({"n_neurons": 5}, r"n_neurons: unknown key of kind 'fly'; it belongs to kind 'assembly'"),
        ({"kind": "flie"}, r"simulation\.kind: found \"flie\"; allowed: one of 'assembly', 'fly'"),
        ({"parameters": {"kind": "trained"}}, r"found \"trained\"; .*did you mean 'pretrained'"),
        ({"parameters": {"gain": 0.5}}, r"parameters\.kind: missing; .*'sampled'"),
        (
            {"parameters": {"kind": "sampled", "gain": 1}},
            r"gain: found 1; allowed: number > 0, < 1",
        ),
        (
            {"dt": 0.05},
            r"dt = 0\.05 with parameters\.time_constant_range from 0\.02 is unstable",
        ),
        ({"stimulus": {"kind": "davis"}}, r"stimulus\.path: missing; allowed: text, not empty"),
        (
            {"stimulus": {"kind": "davis", "path": "x", "rotations": [6]}},
            r"rotations\[0\]: found 6; allowed: integer >= 0, <= 5",
        ),
        (
            {"stimulus": {"kind": "flash", "radius": 9}},
            r"stimulus\.radius = 9 exceeds extent = 8; null is the whole field",
        ),
        (
            {"stimulus": {"kind": "blank", "luminance": 1.5}},
            r"luminance: found 1\.5; allowed: number >= 0, <= 1",
        ),
        (
            {"stimulus": {"kind": "naturalistic", "flicker": 0.9}},
            r"flicker = 0\.9, white_noise = 0\.1 and binary = 0\.15 add up to more than 1",
        ),
        (
            {"perturbation": {"kind": "edge_removal", "fraction": 1}},
            r"fraction: found 1; allowed: number > 0, < 1",
        ),
        (
            {"test_ablation": 0.5, "perturbation": {"kind": "null_edges", "ratio": 1}},
            r"test_ablation = 0\.5 with perturbation\.kind 'null_edges' is not possible",
        ),
        ({"record_drift": False}, r"target is 'drift', but simulation\.record_drift is false"),
    ],
)
def test_a_wrong_setting_is_one_line_with_what_is_allowed(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        loaded(tmp_path / "fly.yaml", FLY | changes)
    assert len(raised.value.problems) == 1


def test_changed_networks_are_for_assemblies(tmp_path: Path) -> None:
    path = tmp_path / "fly.yaml"
    loaded(path, FLY)
    values = yaml.safe_load(path.read_text())
    network = {"filling": 0.5, "type_fractions": [0.5, 0.5]}
    path.write_text(yaml.safe_dump(values | {"analysis": {"changed_networks": {"a": network}}}))

    with pytest.raises(ConfigError, match=r"changed_networks\.a .* simulation\.kind is 'fly'"):
        load_experiment(path)


def test_a_simulation_without_kind_is_an_assembly() -> None:
    values = {
        "n_neurons": 4,
        "n_frames": 20,
        "neuron_types": [{}],
        "connectivity": {"kind": "ring"},
    }

    assembly, fly = read_simulation(values), read_simulation(FLY)

    assert isinstance(assembly, SimulationConfig) and assembly.kind == "assembly"
    assert isinstance(fly, FlyConfig)
    assert read_simulation(fly.model_dump(mode="json")) == fly


def test_defaults_need_no_file_of_the_user() -> None:
    fly = FlyConfig(kind="fly")

    assert (fly.extent, fly.n_frames, fly.n_test_frames, fly.dt) == (8, 64_000, 8_528, 0.02)
    assert fly.parameters.kind == "sampled"
    assert fly.stimulus.kind == "naturalistic"
    assert fly.test_noise.kind == "none"


def test_a_path_goes_before_the_environment_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path))
    named = PretrainedParameters(kind="pretrained", path="here")

    assert checkpoint_path(named) == Path("here")
    assert checkpoint_path(PretrainedParameters(kind="pretrained")) == tmp_path / "best_chkpt"
    monkeypatch.delenv(CHECKPOINT_VARIABLE)
    assert checkpoint_path(PretrainedParameters(kind="pretrained")) is None
