"""Tells the workflow which results a change of the code concerns.

Snakemake notices changes of its scripts, not of the package behind them. A digest of exactly the
modules that a step imports, directly or not, goes into the step's parameters. It is taken from
the syntax trees without docstrings: comments, docstrings and formatting cost no rerun.
"""

__all__ = ["code_digest", "imported_modules"]

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGE = "neuralgnn"
_DATA = ("*.mplstyle", "*.j2")  # files that modules of the same folder read


def code_digest(*modules: str) -> str:
    """SHA-256 of modules and of all modules of this package that they import.

    Args:
        modules: Names such as ``neuralgnn.steps.train``.
    """
    total = hashlib.sha256()
    folders = set()
    for module in sorted(imported_modules(*modules)):
        path = _file(module)
        assert path is not None
        folders.add(path.parent)
        total.update(f"{module}\0{_code(path)}\0".encode())
    for folder in sorted(folders):
        for path in sorted(file for pattern in _DATA for file in folder.glob(pattern)):
            total.update(path.read_bytes())
    return total.hexdigest()


def imported_modules(*modules: str) -> set[str]:
    """Modules of this package that are needed to run some of them, those included.

    A package whose ``__init__`` only hands names on counts through the modules it has them from.
    """
    found: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module not in found:
            found.add(module)
            queue.extend(_imports(module))
    return found


@cache
def _imports(module: str) -> tuple[str, ...]:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"there is no module {module} in {_ROOT}")
    needed = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            needed += [_home(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            needed += [a.name for a in node.names if a.name.startswith(_PACKAGE + ".")]
    return tuple(needed)


def _home(module: str, name: str) -> str:
    """The module that a name comes from when it is imported from ``module``."""
    if _file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    path = _file(module)
    if path is not None and path.name == "__init__.py":
        for node in _tree(path).body:
            if isinstance(node, ast.ImportFrom) and name in {a.name for a in node.names}:
                return _home(str(node.module), name)
    return module


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _code(path: Path) -> str:
    """The program in a file: its syntax tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _file(module: str) -> Path | None:
    folder = _ROOT.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return path
    return None
