"""Turns what pydantic found wrong into one line per problem.

A line says where (file and line, dotted key), what was found, what is allowed, and for a typo the
nearest valid key or choice.
"""

__all__ = ["explain", "nearest"]

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from neuralgnn.config.describe import Node, child, describe, properties, resolve

Place = Callable[[Sequence[str | int]], str]


def explain(
    error: ValidationError, model: type[BaseModel], values: dict[str, Any], *, place: Place
) -> list[str]:
    """One line per problem.

    Args:
        error: What pydantic raised.
        model: The model that was validated.
        values: The values that it was given.
        place: Gives file and line of a key path.
    """
    schema = model.model_json_schema()
    located = [(problem, _locate(problem, schema, values)) for problem in error.errors()]
    lines = [
        f"{place(found.keys)}: {_line(problem, found, schema)}"
        for problem, found in located
        if not _follows(problem, found, [other for _, other in located])
    ]
    return list(dict.fromkeys(lines))


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice closest in spelling, if any is close."""
    return next(iter(difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)), None)


@dataclass(frozen=True)
class _Found:
    keys: tuple[str | int, ...]  # where, without the tags that pydantic mixes in
    node: Node  # schema of what should be there
    parent: Node  # schema of the section around it
    parent_value: Any  # values of that section
    value: Any  # what is there


def _follows(problem: ErrorDetails, found: _Found, others: list[_Found]) -> bool:
    """Whether pydantic calls a list too short only because its entries are invalid."""
    depth = len(found.keys)
    return problem["type"] == "too_short" and any(
        len(other.keys) > depth and other.keys[:depth] == found.keys for other in others
    )


def _locate(problem: ErrorDetails, schema: Node, values: Any) -> _Found:
    """Follows pydantic's location through schema and values, dropping tags of unions."""
    keys: list[str | int] = []
    node, parent, value, parent_value = schema, schema, values, values
    for key in problem["loc"]:
        if key == "[key]":
            continue
        if "discriminator" in resolve(node, schema) and key == _tag(value):
            continue
        inner = child(node, schema, key, tag=_tag(value))
        parent, parent_value, node = node, value, inner if inner is not None else {}
        keys.append(key)
        value = _entry(value, key)
    return _Found(tuple(keys), node, parent, parent_value, value)


def _line(problem: ErrorDetails, found: _Found, schema: Node) -> str:
    where = _dotted(found.keys) or "top level"
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key{_hint_key(found, schema)}"
        case "missing":
            return f"{where}: missing; allowed: {_allowed(found.node, schema)}"
        case "union_tag_not_found" | "union_tag_invalid":
            return _line_tag(found, schema, where)
        case "value_error":
            return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
        case _ if "discriminator" in resolve(found.node, schema):
            return _line_tag(found, schema, where)
        case "string_pattern_mismatch" | "string_too_long" if problem["loc"][-1] == "[key]":
            name = str(found.keys[-1])
            allowed = "small letters, digits and _, a letter first, at most 64"
            return f"{_dotted(found.keys[:-1])}: found the name {name!r}; allowed: {allowed}"
    hint = ""
    choices = resolve(found.node, schema).get("enum", ())
    if isinstance(found.value, str) and (close := nearest(found.value, map(str, choices))):
        hint = f"; did you mean {close!r}?"
    allowed = _allowed(found.node, schema) if found.node else problem["msg"]
    return f"{where}: found {_show(found.value)}; allowed: {allowed}{hint}"


def _line_tag(found: _Found, schema: Node, where: str) -> str:
    """A variant without its ``kind``, or with one that does not exist."""
    union = resolve(found.node, schema)["discriminator"]
    word, tags = union["propertyName"], list(union["mapping"])
    allowed = "one of " + ", ".join(repr(tag) for tag in tags)
    if not isinstance(found.value, dict):
        tag = nearest(str(found.value), tags) or tags[0]
        return (
            f"{where}: found {_show(found.value)}; allowed: a mapping with {word}: {allowed}; "
            f"write {{{word}: {tag}}}"
        )
    if word not in found.value:
        return f"{where}.{word}: missing; allowed: {allowed}"
    tag = found.value[word]
    close = nearest(tag, tags) if isinstance(tag, str) else None
    hint = f"; did you mean {close!r}?" if close else ""
    return f"{where}.{word}: found {_show(tag)}; allowed: {allowed}{hint}"


def _hint_key(found: _Found, schema: Node) -> str:
    """The nearest valid key, or the section or variant that this key belongs to."""
    name = str(found.keys[-1])
    valid = properties(found.parent, schema, tag=_tag(found.parent_value))
    allowed = f"; allowed: {', '.join(valid)}"
    union = resolve(found.parent, schema).get("discriminator", {}).get("mapping", {})
    owners = [tag for tag in union if name in properties(found.parent, schema, tag=tag)]
    if owners:
        tags = " or ".join(repr(tag) for tag in owners)
        return f" of kind {_tag(found.parent_value)!r}; it belongs to kind {tags}{allowed}"
    if close := nearest(name, valid):
        return f"; did you mean {close!r}?{allowed}"
    homes = [home for home in _homes(name, schema) if home != _dotted(found.keys)]
    return (f"; did you mean {homes[0]!r}?" if homes else "") + allowed


def _homes(name: str, schema: Node) -> list[str]:
    """Where in the file a key of this name belongs."""
    homes: list[str] = []
    queue: list[tuple[tuple[str, ...], Node]] = [((), schema)]
    while queue:
        path, node = queue.pop(0)
        for key, inner in _of_all_kinds(node, schema):
            if key == name and path:
                homes.append(".".join((*path, key)))
            queue.append(((*path, key), inner))
    return homes


def _of_all_kinds(node: Node, schema: Node) -> list[tuple[str, Node]]:
    """Keys of a section, of every variant if it is one of several."""
    tags = resolve(node, schema).get("discriminator", {}).get("mapping", {None: None})
    return [item for tag in tags for item in properties(node, schema, tag=tag).items()]


def _allowed(node: Node, schema: Node) -> str:
    words = describe(node, schema)
    text = " ".join(str(resolve(node, schema).get("description", "")).split())
    return f"{words} ({text.rstrip('.')})" if text else words


def _dotted(keys: Sequence[str | int]) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


def _show(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _tag(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else None


def _entry(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
        return value[key]
    return None
