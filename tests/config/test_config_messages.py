"""A broken configuration ends in one clear line per problem: file, key, found, allowed, hint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from neuralgnn.config import ConfigError, load_experiment, load_fit, load_workflow
from neuralgnn.steps.project import open_project

ROOT = Path(__file__).parents[2]
EXPERIMENT = yaml.safe_load((ROOT / "config/experiments/fig_2.yaml").read_text())

# What is set (dotted key, value; "-" deletes), and what the one line must say.
BROKEN: list[tuple[str, Any, str]] = [
    ("simulation.n_neuronz", 9, r"simulation\.n_neuronz: unknown key; did you mean 'n_neurons'"),
    ("n_frames", 9, r"n_frames: unknown key; did you mean 'simulation\.n_frames'"),
    ("simulation.neuron_types.0.gian", 3, r"neuron_types\[0\]\.gian: .*did you mean 'gain'"),
    ("simulation.connectivity.clipp", 3, r"connectivity\.clipp: .*did you mean 'clip'"),
    ("simulation.connectivity.rank", 3, r"of kind 'cauchy'; it belongs to kind 'low_rank'"),
    ("fits.varpro.trainer.n_steps", 3, r"of kind 'varpro'; it belongs to kind 'sgd'"),
    ("simulation.dt", -0.01, r"simulation\.dt: found -0\.01; allowed: number > 0 .*time unit"),
    ("simulation.dt", 0, r"simulation\.dt: found 0; allowed: number > 0"),
    ("simulation.dt", "fast", r'simulation\.dt: found "fast"; allowed: number > 0'),
    ("simulation.dt", float("nan"), r"simulation\.dt: found NaN; allowed: number > 0"),
    ("simulation.dt", float("inf"), r"simulation\.dt: found Infinity; allowed: number > 0"),
    ("simulation.dt", 3.0, r"dt = 3 with decay = 2 is unstable"),
    ("simulation.n_neurons", 12.5, r"n_neurons: found 12\.5; allowed: integer >= 2"),
    ("simulation.n_neurons", "12", r'n_neurons: found "12"; allowed: integer >= 2'),
    ("simulation.n_neurons", True, r"n_neurons: found true; allowed: integer >= 2"),
    ("simulation.n_neurons", None, r"n_neurons: found null; allowed: integer >= 2"),
    ("simulation.n_neurons", 3, r"neuron_types has 4 rows, but there are only n_neurons = 3"),
    ("simulation.n_frames", "-", r"simulation\.n_frames: missing; allowed: integer >= 10"),
    ("simulation", [1], r"simulation: found \[1\]; allowed: a mapping"),
    ("simulation.neuron_types", [], r"neuron_types: found \[\]; allowed: a list of mappings"),
    ("simulation.neuron_types.1.width", 2.0, r"neuron_types\[1\] sets width or threshold"),
    ("simulation.connectivity.kind", "couchy", r"found \"couchy\"; .*did you mean 'cauchy'"),
    (
        "simulation.connectivity.kind",
        "-",
        r"connectivity\.kind: missing; .*'cauchy'",
    ),
    ("simulation.connectivity", "ring", r"allowed: a mapping with kind.*write \{kind: ring\}"),
    ("simulation.connectivity", {"kind": "file"}, r"connectivity\.path: missing; allowed: text"),
    ("simulation.connectivity.filling", 0, r"filling: found 0; allowed: number > 0, <= 1"),
    ("simulation.noise", {"kind": "sde"}, r"simulation\.noise\.std: missing; allowed: number > 0"),
    ("simulation.record_drift", 1, r"record_drift: found 1; allowed: true or false"),
    (
        "simulation.record_drift",
        False,
        r"target is 'drift', but .*record_drift is false",
    ),
    ("fits", {}, r"fits: found \{\}; allowed: a mapping, not empty"),
    ("fits.Best fit", {}, r"fits: found the name 'Best fit'; allowed: small letters"),
    ("fits.../../etc", {}, r"fits: found the name '\.\./\.\./etc'; allowed: small letters"),
    ("fits.sgd.trainer", "-", r"fits\.sgd\.trainer: missing; allowed: a mapping with kind"),
    ("fits.sgd.target.kind", "drfit", r"fits\.sgd\.target\.kind: found \"drfit\".*'drift'"),
    ("fits.sgd.model", {"activation": "rellu"}, r"activation: found \"rellu\".*mean 'relu'"),
    (
        "fits.varpro.model",
        {"transfer_input": "pair", "embedding": "fixed"},
        r"'pair' needs latent vectors that differ",
    ),
    ("fits.sgd.validation_fraction", 0.5, r"fraction: found 0\.5; allowed: number > 0, < 0\.5"),
    ("fits.sgd.validation_fraction", 0.001, r"too few for analysis\.rollout\.n_frames = 1000"),
    ("fits.sgd.seeds", [-1], r"fits\.sgd\.seeds\[0\]: found -1; allowed: integer >= 0"),
    ("fits.sgd.device", "gpu", r"device: found \"gpu\"; allowed: one of 'auto', 'cpu', 'cuda'"),
    ("analysis.rollout", {"n_frames": 10}, r"report_frames has 400, beyond n_frames = 10"),
    (
        "analysis.changed_networks.supp_5.type_fractions",
        [0.5, 0.5],
        r"supp_5\.type_fractions has 2 entries for 4 neuron_types",
    ),
    (
        "analysis.changed_networks.supp_5.type_fractions",
        [0.5, 0.6, 0, 0],
        r"type_fractions sum to 1\.1, not 1",
    ),
    ("published.weights_r2", "good", r'published\.weights_r2: found "good"; allowed: number'),
]


def written(values: Any, path: Path) -> Path:
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False))
    return path


def with_value(key: str, value: Any) -> dict[str, Any]:
    values = yaml.safe_load(yaml.safe_dump(EXPERIMENT))
    *sections, last = key.split(".", key.count(".") if not key.endswith("etc") else 1)
    inner = values
    for section in sections:
        inner = inner[int(section)] if isinstance(inner, list) else inner[section]
    if value == "-":
        del inner[last]
    else:
        inner[last] = value
    return values


@pytest.mark.parametrize(("key", "value", "message"), BROKEN)
def test_a_broken_experiment_is_one_line_with_place_and_remedy(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    path = written(with_value(key, value), tmp_path / "broken.yaml")

    with pytest.raises(ConfigError, match=message) as raised:
        load_experiment(path)

    first = raised.value.problems[0]
    assert first.startswith(str(path))
    assert "\n" not in first
    assert "pydantic" not in str(raised.value)


def test_two_problems_are_two_lines_each_with_its_own_line_number(tmp_path: Path) -> None:
    values = with_value("simulation.dt", -1) | {"titel": "x"}
    path = written(values, tmp_path / "broken.yaml")
    lines = path.read_text().splitlines()

    with pytest.raises(ConfigError) as raised:
        load_experiment(path)

    assert len(raised.value.problems) == 2
    for problem, word in zip(raised.value.problems, ("  dt:", "titel:"), strict=True):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(word))
        assert problem.startswith(f"{path}:{number}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"found nothing; allowed: a mapping"),
        ("- 1\n- 2\n", r"found a list; allowed: a mapping"),
        ("title: a\ntitle: b\n", r":2: is not valid YAML: key 'title' occurs twice"),
        ("a: [1\nb: 2\n", r":2: is not valid YAML"),
        ("1: 2\n", r":1: is not valid YAML: key 1 is not text"),
        ("title: !!python/object:os.system x\n", r"is not valid YAML: could not determine"),
    ],
)
def test_a_file_that_is_no_plain_mapping_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(written(text, tmp_path / "broken.yaml"))


def test_a_missing_file_a_folder_and_bytes_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.yaml").mkdir()
    for name, message in (
        ("none.yaml", "no such file"),
        ("folder.yaml", "is a folder"),
        ("binary.yaml", "is not a text file"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_experiment(tmp_path / name)


def test_a_name_that_would_be_a_path_trick_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found the experiment name 'Fig 2'; allowed: small"):
        load_experiment(written(EXPERIMENT, tmp_path / "Fig 2.yaml"))


def test_numbers_without_a_dot_before_the_exponent_are_numbers(tmp_path: Path) -> None:
    path = written("trainer: {kind: sgd, lr_weight: 1e-3}\n", tmp_path / "fit.yaml")

    fit = load_fit(path)

    assert fit.trainer.kind == "sgd"
    assert fit.trainer.lr_weight == 1e-3


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a workflow file beside copies of the experiments."""
    (tmp_path / "experiments").mkdir()
    for name in ("fig_2", "supp_3"):
        source = ROOT / "config" / "experiments" / f"{name}.yaml"
        (tmp_path / "experiments" / source.name).write_text(source.read_text())

    def write(**values: Any) -> Path:
        whole = {"experiments": {"fig_2": [42], "supp_3": [42]}, "figures": ["fig_2"]} | values
        return written(whole, tmp_path / "config.yaml")

    return write


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"experiments": {"fig2": [1]}}, r"there is no file .*fig2\.yaml; did you mean 'fig_2'"),
        ({"experiments": {"../fig_2": [1]}}, r"found the name '\.\./fig_2'; allowed: small"),
        ({"experiments": {"fig_2": []}}, r"experiments\.fig_2: found \[\]; allowed: a list of"),
        ({"experiments": {"fig_2": [42, 42]}}, r"found 42 twice; each may occur once"),
        ({"experiments": {"fig_2": [2**32]}}, r"found 4294967296; allowed: integer >= 0, < 42949"),
        (
            {"experiments": {"fig_2": [1]}},
            r"fits\.sgd\.seeds .* also asks for \[42\]",
        ),
        (
            {"experiments": {"fig_2": [42]}, "figures": ["supp_4"]},
            r"the experiment 'supp_3'",
        ),
        ({"figures": ["fig_9"]}, r'figures\[0\]: found "fig_9"; allowed: one of .*mean \'fig_3\''),
        ({"figurs": []}, r"figurs: unknown key; did you mean 'figures'"),
        (
            {"overrides": {"simulation.n_neuronz": 9}},
            r"config\.yaml:\d+: overrides 'simulation\.n_neuronz' of .*did you mean 'n_neurons'",
        ),
        (
            {"overrides": {"fits.sdg.trainer.n_steps": 9}},
            r"no experiment has fits\.sdg; did you mean 'sgd'",
        ),
        ({"overrides": {"title.x": 9}}, r"overrides 'title\.x': title is no mapping"),
        (
            {"overrides": {"analysis.changed_networks": {}}, "figures": ["supp_5"]},
            r"figures\[0\]: found 'supp_5', which needs analysis\.changed_networks\.supp_5",
        ),
        (
            {"overrides": {"fits.sgd.trainer": {"kind": "varpro"}}, "figures": ["supp_1"]},
            r"found 'supp_1', which shows checkpoints of a fit with trainer\.kind 'sgd'",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(
    project: Callable[..., Path], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_project(project(**values))


def test_an_override_reaches_every_experiment_that_has_its_place(
    project: Callable[..., Path],
) -> None:
    path = project(
        overrides={"simulation.n_frames": 20_000, "fits.sgd.trainer.n_steps": 7, "title": "small"}
    )

    experiments = open_project(path).experiments

    assert {experiment.simulation.n_frames for experiment in experiments.values()} == {20_000}
    assert {experiment.title for experiment in experiments.values()} == {"small"}
    assert "sgd" not in experiments["supp_3"].fits
    trainer = experiments["fig_2"].fits["sgd"].trainer
    assert trainer.kind == "sgd"
    assert trainer.n_steps == 7


def test_values_of_the_command_line_go_before_those_of_the_file(
    project: Callable[..., Path],
) -> None:
    assert open_project(project(), overlay={"results": "else"}).workflow.results == "else"
    with pytest.raises(ConfigError, match="resluts: unknown key; did you mean 'results'"):
        open_project(project(), overlay={"resluts": "else"})


@pytest.mark.parametrize("name", ["config", "test"])
def test_the_files_that_come_with_the_project_are_valid(name: str) -> None:
    path = ROOT / "config" / f"{name}.yaml"

    assert open_project(path).workflow == load_workflow(path)


def test_the_paper_s_experiment_is_as_published() -> None:
    """Spec: 1000 neurons, 100,000 frames of 0.01, four types (gain, self-coupling, decay)."""
    simulation = load_experiment(ROOT / "config/experiments/fig_2.yaml").simulation

    assert (simulation.n_neurons, simulation.n_frames, simulation.dt) == (1000, 100_000, 0.01)
    assert [(row.gain, row.self_coupling, row.decay) for row in simulation.neuron_types] == [
        (10, 1, 1),
        (10, 2, 1),
        (10, 1, 2),
        (10, 2, 2),
    ]


def test_a_collection_cannot_have_the_name_of_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "experiments: {fig_2: [42]}\ncollections: {train: {experiments: {fig_2: [42]}}}\n"
    )
    with pytest.raises(ConfigError, match=r"collections\.train: the name is that of a rule"):
        load_workflow(path)
