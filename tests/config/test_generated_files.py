"""Schemas and reference page follow from the models, environments from the pins."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml

from neuralgnn.config.experiment import Figure
from neuralgnn.config.inherit import read_experiment
from neuralgnn.config.schema import documents, schema
from neuralgnn.plot.figures import FIGURES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", documents())
def test_a_generated_file_is_in_step_with_the_models(name: str) -> None:
    assert (ROOT / name).read_text() == documents()[name], "run: make schema"


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda p: p.stem)
def test_the_schema_accepts_the_files_that_come_with_the_project(path: Path) -> None:
    experiment = path.parent.name == "experiments"
    values = read_experiment(path).values if experiment else yaml.safe_load(path.read_text())

    kind = "experiment" if experiment else "workflow"
    jsonschema.Draft202012Validator(schema(kind)).validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {"experiments": {"fig_2": [42]}, "figurs": []},
        {"experiments": {"../fig_2": [42]}},
        {"experiments": {"fig_2": [-1]}},
        {"experiments": {"fig_2": [42]}, "figures": ["fig_9"]},
        {},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(values: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(schema("workflow"))

    assert not validator.is_valid(values)


def test_every_key_has_a_meaning_in_the_reference() -> None:
    page = documents()["docs/config.md"]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| .* \|$", page, re.MULTILINE)

    assert len(rows) > 80
    assert not [key for key, _, meaning in rows if key != "kind" and not meaning.strip()]


def test_the_figures_that_can_be_asked_for_are_those_that_exist() -> None:
    assert list(get_args(Figure)) == list(FIGURES)


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_the_conda_environments_follow_the_pins(name: str) -> None:
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    *conda, pip = environment["dependencies"]
    pins = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["workflow"]

    assert [line for line in pip["pip"] if not line.startswith("--")] == pins
    python = next(line for line in conda if line.startswith("python="))
    assert PROJECT["requires-python"] == ">=" + python.removeprefix("python=")


def test_the_containers_follow_the_pins() -> None:
    lines = (ROOT / "envs/requirements.txt").read_text().splitlines()
    python = PROJECT["requires-python"].removeprefix(">=")

    assert lines[1:] == PROJECT["dependencies"] + PROJECT["optional-dependencies"]["workflow"]
    for name, word in (("Dockerfile", "FROM "), ("envs/neuralgnn.def", "From: ")):
        text = (ROOT / name).read_text()
        assert f"{word}python:{python}-slim" in text
        assert "requirements.txt" in text
        assert re.search(r"pip install .*--no-deps --requirement \S*fly.txt", text)
        assert "NEURALGNN_REVISION" in text  # the repository stays outside
        assert "==" not in text, "versions belong into pyproject.toml"


def test_what_the_containers_take_is_there() -> None:
    """And what the package is built from is among it."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    docker = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    files = (ROOT / "envs/neuralgnn.def").read_text().partition("%files\n")[2].partition("\n\n")[0]
    apptainer = [line.split()[0] for line in files.splitlines()]

    for name in [*" ".join(docker).split(), *apptainer]:
        assert (ROOT / name).exists(), name
        assert name.split("/")[0] not in ignored
    needed = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "neuralgnn"}
    assert needed <= set(apptainer)
    assert needed <= {path.name for path in ROOT.iterdir()} - set(ignored)


def test_every_environment_installs_the_connectome_apart() -> None:
    """Its dependencies would replace torch."""
    pinned = [line for line in (ROOT / "envs/fly.txt").read_text().splitlines() if "==" in line]
    assert len(pinned) == 1
    for name in ("Makefile", "envs/cpu.yaml", "envs/cuda.yaml", "envs/cpu.post-deploy.sh"):
        assert re.search(r"--no-deps .*-r envs/fly\.txt", (ROOT / name).read_text()), name


def test_every_dependency_is_pinned_exactly() -> None:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]

    assert not [line for group in groups for line in group if "==" not in line]
