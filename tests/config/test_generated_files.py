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


def test_every_dependency_is_pinned_exactly() -> None:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]

    assert not [line for group in groups for line in group if "==" not in line]
