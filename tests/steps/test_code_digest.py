"""The digest changes with the program, and with nothing else."""

from pathlib import Path

import pytest

from neuralgnn.steps import code


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of four modules: steps imports a; b stands alone; a takes c through an init."""
    files = {
        "steps.py": "from neuralgnn.a import f\n",
        "a.py": '"""Doc."""\nfrom neuralgnn.inner import g\n\ndef f():\n    "Doc."\n    return 1',
        "b.py": "x = 1\n",
        "inner/__init__.py": "from neuralgnn.inner.c import g\nfrom neuralgnn.inner.d import h\n",
        "inner/c.py": "def g():\n    return 2\n",
        "inner/d.py": "def h():\n    return 3\n",
        "page.j2": "text",
    }
    for name, text in files.items():
        path = tmp_path / "neuralgnn" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    return tmp_path / "neuralgnn"


def digest() -> str:
    for cached in (code._imports, code._tree, code._code):
        cached.cache_clear()
    return code.code_digest("neuralgnn.steps")


def test_only_what_is_imported_counts(package: Path) -> None:
    modules = {"neuralgnn.steps", "neuralgnn.a", "neuralgnn.inner.c"}

    digest()

    assert code.imported_modules("neuralgnn.steps") == modules


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("a.py", "return 1", "return 2", True),
        ("inner/c.py", "return 2", "return 1", True),
        ("page.j2", "text", "other", True),
        ("b.py", "x = 1", "x = 2", False),
        ("inner/d.py", "return 3", "return 4", False),
        ("a.py", "Doc.", "Words.", False),
        ("a.py", "return 1", "return 1  # why", False),
        ("a.py", "return 1", "return (\n        1\n    )", False),
    ],
)
def test_the_digest_follows_the_program(
    package: Path, file: str, old: str, new: str, changes: bool
) -> None:
    before = digest()
    path = package / file
    path.write_text(path.read_text().replace(old, new))

    assert (digest() != before) == changes


def test_training_does_not_depend_on_simulation_analysis_or_plots() -> None:
    for cached in (code._imports, code._tree, code._code):
        cached.cache_clear()
    modules = code.imported_modules("neuralgnn.steps.train")
    strange = ("neuralgnn.simulate", "neuralgnn.analyse", "neuralgnn.plot", "neuralgnn.report")

    assert "neuralgnn.train.run" in modules
    assert not [module for module in modules if module.startswith(strange)]


def test_a_change_of_the_report_or_of_the_table_draws_no_figure_anew() -> None:
    modules = code.imported_modules("neuralgnn.steps.figure")
    strange = ("neuralgnn.report", "neuralgnn.steps.table", "neuralgnn.steps.job")

    assert not [module for module in modules if module.startswith(strange)]
