from pathlib import Path

import numpy as np
import pytest

from neuralgnn.data import digest, provenance
from neuralgnn.data.provenance import code_digest, plain


def test_digest_does_not_depend_on_order_or_container() -> None:
    assert digest({"a": 1, "b": (1, 2)}) == digest({"b": [1, np.int64(2)], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_provenance_without_stamp_says_nothing_of_time_or_place() -> None:
    record = provenance({"seed": 1}, stamp=False)

    assert set(record) == {"versions", "revision", "config", "config_digest"}
    assert record == provenance({"seed": 1}, stamp=False)
    assert str(Path.home()) not in str(record)
    assert provenance({"seed": 2}, stamp=False)["config_digest"] != record["config_digest"]


def test_provenance_with_stamp_is_in_utc() -> None:
    assert provenance(target="drift")["created"].endswith("+00:00")
    assert provenance(target="drift")["target"] == "drift"


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
