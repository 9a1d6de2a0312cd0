"""Reading of YAML: like the safe loader, but strict where YAML is lax.

A key that occurs twice is an error, keys are text, `1e-3` is a number, and every value
remembers its line, so that an error can point at it.
"""

__all__ = ["Source", "read_yaml"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from neuralgnn.config.errors import ConfigError


@dataclass(frozen=True)
class Source:
    """A YAML file: its values, and where they stand.

    Args:
        path: The file.
        values: Its content.
        root: Its syntax tree.
        base: The file that this one is laid over.
    """

    path: Path
    values: dict[str, Any]
    root: yaml.Node | None = None
    base: "Source | None" = None

    def place(self, keys: Sequence[str | int] = ()) -> str:
        """``file:line`` of a value, or of the nearest section around it."""
        if self.root is None or not keys:
            return str(self.path)
        layers: list[Source] = [self]
        while layers[-1].base is not None:
            layers.append(layers[-1].base)
        layer = max(layers, key=lambda layer: layer._find(keys)[0])  # of equal ones the topmost
        return f"{layer.path}:{layer._find(keys)[1] + 1}"

    def _find(self, keys: Sequence[str | int]) -> tuple[int, int]:
        """How many of the keys this file has, and the line of the last of them."""
        node, line, depth = self.root, 0, 0
        for key in keys:
            found = None if node is None else _child(node, key)
            if found is None:
                break
            (node, line), depth = found, depth + 1
        return depth, line


def read_yaml(path: Path) -> Source:
    """Reads a YAML file whose top level is a mapping.

    Raises:
        ConfigError: If the file is missing, unreadable, not YAML, holds a key twice or something
            other than a mapping.
    """
    text = _text(path)
    try:
        root = yaml.compose(text, Loader=_Loader)
        _check_finite(root)
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(path, error)]) from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError([f"{path}: found {found}; allowed: a mapping (key: value)"])
    return Source(path, values, root)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder; a YAML file is needed"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not a text file (UTF-8)"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    """Where and why a file is not YAML, in one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{path}: is not valid YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    return f"{path}:{mark.line + 1}: is not valid YAML: {error.problem} (column {mark.column + 1})"


def _check_finite(node: yaml.Node | None, around: tuple[int, ...] = ()) -> None:
    """An alias inside what it stands for would have no end."""
    if isinstance(node, yaml.CollectionNode):
        if id(node) in around:
            raise yaml.MarkedYAMLError(
                problem="an alias (*) stands inside its own anchor (&)",
                problem_mark=node.start_mark,
            )
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                _check_finite(part, (*around, id(node)))


def _child(node: yaml.Node, key: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value, name.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line
    return None


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key)
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {name!r} is not text; quote it", key.start_mark
                )
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{name}' occurs twice in one mapping", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 reads 1e-3 as text, for want of a dot; everyone who writes it means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)
