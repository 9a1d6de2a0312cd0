import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import digest, provenance
from neuralgnn.data.provenance import PACKAGES, _revision, code_digest, plain

ROOT = Path(__file__).parents[2]


def test_digest_does_not_depend_on_order_or_container() -> None:
    assert digest({"a": 1, "b": (1, 2)}) == digest({"b": [1, np.int64(2)], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_provenance_without_stamp_says_nothing_of_time_or_place() -> None:
    record = provenance({"seed": 1}, stamp=False)

    assert set(record) == {"versions", "revision", "config", "config_digest"}
    assert record == provenance({"seed": 1}, stamp=False)
    assert str(Path.home()) not in str(record)
    assert provenance({"seed": 2}, stamp=False)["config_digest"] != record["config_digest"]


def test_provenance_with_stamp_says_how_it_was_made() -> None:
    record = provenance(target="drift")

    assert record["target"] == "drift"
    assert set(record["run"]) == {"command", "created", "seconds", "peak_mib"}
    assert record["run"]["created"].endswith("+00:00")


def test_versions_are_named_of_every_package_that_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = project["dependencies"] + project["optional-dependencies"]["workflow"]

    assert set(PACKAGES) == {"neuralgnn", *(pin.partition("==")[0] for pin in pins)}
    assert None not in [provenance(stamp=False)["versions"][name] for name in PACKAGES]


def test_code_outside_its_repository_is_told_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose builder knows it."""
    module = sys.modules[_revision.__module__]  # the function of the same name hides it
    monkeypatch.setattr(module, "__file__", "/opt/neuralgnn/data/provenance.py")
    monkeypatch.setenv("NEURALGNN_REVISION", "abc123")
    _revision.cache_clear()
    try:
        assert provenance(stamp=False)["revision"] == "abc123"
    finally:
        _revision.cache_clear()


def test_code_digest_changes_with_the_code(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "somecode").mkdir()
    (tmp_path / "somecode/__init__.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digest("somecode")
    (tmp_path / "somecode/__init__.py").write_text("A = 2\n")

    assert code_digest("somecode") != before


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        plain({"f": print})
