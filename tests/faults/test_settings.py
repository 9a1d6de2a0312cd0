"""Settings changed at random: accepted and valid, or refused with their place; nothing else."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import ExperimentConfig
from neuralgnn.config.load import Project
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.project import fits, open_project

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "config/test.yaml").read_text())
EXPERIMENT = yaml.safe_load((ROOT / "config/experiments/fig_2.yaml").read_text())

# What people, editors and attackers put where something else belongs.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400)]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(
        [
            *("../x", "/etc/passwd", "~/x", "a/../../x", "results/../../x", ".", "..", "", " "),
            *("{experiment}", "{", "$HOME", "a\nb", "a\0b", "NaN", "1e3", "no", "0x10", "ﬁg_2"),
            *("fig_2 ", "Fig_2", "auto", "cuda", "sgd", "varpro", "drift", "a" * 300, "\ud800"),
        ]
    ),
    st.lists(st.integers(-3, 3), max_size=3),
    st.dictionaries(st.text(max_size=6), st.integers(), max_size=2),
)
KEYS = st.one_of(
    st.sampled_from(["../x", "a/b", "kind", "", " ", "n_frames", "seeds", "ä", "a" * 300, "{x}"]),
    st.text(max_size=8),
)


def places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested settings, the root included."""
    entries = (
        values.items()
        if isinstance(values, dict)
        else enumerate(values)
        if isinstance(values, list)
        else ()
    )
    return [path, *(place for key, value in entries for place in places(value, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """Settings with one to three places changed, removed, renamed or added to."""
    values = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([place for place in places(values) if place]))
        holder: Any = values
        for key in path[:-1]:
            holder = holder[key]
        kind = draw(st.sampled_from(["change", "remove", "rename", "add"]))
        if kind == "change":
            holder[path[-1]] = draw(VALUES)
        elif kind == "remove":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            moved = draw(VALUES) if kind == "add" else holder.pop(path[-1])
            holder[draw(KEYS)] = moved
    return values


def files(project: Project) -> list[Path]:
    """What a run would write, by the rules' patterns."""
    results = Path(project.workflow.results)
    return [
        FitFolder(results / experiment / f"seed_{seed}" / fit).model
        for experiment, seed, fit in fits(project)
    ] + [results / "figures" / f"{figure}.pdf" for figure in project.workflow.figures]


def check(folder: Path, workflow: dict[str, Any], experiment: dict[str, Any]) -> bool:
    """Whether settings are accepted; asserts that they are then valid, and else what is said."""
    folder = folder / "config"
    (folder / "experiments").mkdir(parents=True, exist_ok=True)
    for name, values in (("fig_2", experiment), ("supp_3", EXPERIMENT | {"title": "another"})):
        write(folder / "experiments" / f"{name}.yaml", values)
    write(folder / "test.yaml", workflow)
    try:
        project = open_project(folder / "test.yaml")
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert ".yaml" in problem, problem
            assert len(problem) < 2000, problem
            assert problem.isprintable(), problem
        return False
    for config in project.experiments.values():
        again = ExperimentConfig.model_validate_json(config.model_dump_json())
        assert again == config
    results = Path(project.workflow.results).resolve()
    for file in files(project):
        assert file.resolve().is_relative_to(results), file
        assert "{" not in str(file), file
    assert ".." not in Path(project.workflow.results).parts
    return True


def write(path: Path, values: Any) -> None:
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


_SHORT = settings(max_examples=60, deadline=None, derandomize=True, database=None)
_LONG = settings(_SHORT, max_examples=500, suppress_health_check=list(HealthCheck))


def test_the_settings_that_are_changed_here_are_accepted_as_they_are(tmp_path: Path) -> None:
    assert check(tmp_path, WORKFLOW, EXPERIMENT)


@_SHORT
@given(values=mutated(WORKFLOW))
def test_changed_workflow_settings_are_valid_or_refused(tmp_path_factory, values) -> None:
    check(tmp_path_factory.getbasetemp(), values, EXPERIMENT)


@_SHORT
@given(values=mutated(EXPERIMENT))
def test_changed_experiments_are_valid_or_refused(tmp_path_factory, values) -> None:
    check(tmp_path_factory.getbasetemp(), WORKFLOW, values)


@pytest.mark.faults
def test_a_thousand_changed_settings(tmp_path: Path, record_count: Callable[..., None]) -> None:
    found = {True: 0, False: 0}

    @_LONG
    @given(values=mutated(WORKFLOW))
    def changed_workflow(values) -> None:
        found[check(tmp_path, values, EXPERIMENT)] += 1

    @_LONG
    @given(values=mutated(EXPERIMENT))
    def changed_experiment(values) -> None:
        found[check(tmp_path, WORKFLOW, values)] += 1

    changed_workflow()
    changed_experiment()
    assert not {path.name for path in tmp_path.iterdir()} - {"config"}
    more = f"{found[True]} accepted, {found[False]} refused"
    record_count("mutated configs", sum(found.values()), 1000, more)
    assert sum(found.values()) >= 1000
    assert min(found.values()) > 100


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00",
        b"a: &x [*x]",
        b"a: !!python/object/apply:os.mkdir [sprung]",
        b"- 1",
        b"",
        b"a: 1\na: 2",
        b"\t",
        b"a: {b",
        b"? [1, 2]\n: 3",
    ],
)
def test_a_file_that_is_no_settings_is_refused_with_its_name(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad.yaml").write_bytes(text)

    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        open_project(tmp_path / "bad.yaml")
    assert not Path("sprung").exists()
