"""What a key allows, in words: read off the JSON schema of its model.

The same words stand in error messages and in the reference page.
"""

__all__ = ["child", "describe", "properties", "resolve"]

import json
from typing import Any

from neuralgnn.config.base import COLOR

Node = dict[str, Any]

_BOUNDS = (
    ("exclusiveMinimum", ">"),
    ("minimum", ">="),
    ("exclusiveMaximum", "<"),
    ("maximum", "<="),
)


def resolve(node: Node, schema: Node) -> Node:
    """Follows ``$ref`` into the schema's definitions; what the node itself says goes first."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target = schema["$defs"][reference.rsplit("/", 1)[1]]
    own = {key: value for key, value in node.items() if key != "$ref"}
    return resolve(target, schema) | own


def describe(node: Node, schema: Node) -> str:
    """Names the type, range or choices of a node, such as ``integer >= 2``."""
    node = resolve(node, schema)
    if "const" in node:
        return repr(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(repr(value) for value in node["enum"])
    if "discriminator" in node:
        tags = ", ".join(repr(tag) for tag in node["discriminator"]["mapping"])
        return f"a mapping with {node['discriminator']['propertyName']}: one of {tags}"
    if "anyOf" in node:
        return " or ".join(describe(option, schema) for option in node["anyOf"])
    kind = node.get("type")
    if kind == "array":
        least = f" (at least {node['minItems']})" if "minItems" in node else ""
        item = describe(node.get("items", {}), schema)
        return f"a list of {'mappings' if item == 'a mapping' else item}{least}"
    if kind == "object" or "properties" in node:
        return "a mapping, not empty" if node.get("minProperties") else "a mapping"
    if kind == "string" and node.get("pattern") == COLOR:
        return 'a colour "#rrggbb", or a grey from "0" to "1"'
    if kind == "string" and "pattern" in node:
        return "a name of small letters, digits and _, starting with a letter"
    if kind == "string" and node.get("minLength"):
        return "text, not empty"
    words = {"string": "text", "boolean": "true or false", None: "anything"}
    bounds = [f"{sign} {json.dumps(node[word])}" for word, sign in _BOUNDS if word in node]
    return " ".join([words.get(kind, str(kind)), ", ".join(bounds)]).strip()


def properties(node: Node, schema: Node, *, tag: object = None) -> dict[str, Node]:
    """Keys of a section; of a tagged union those of the variant ``tag``, or just its tag."""
    node = _only(resolve(node, schema), schema)
    if "discriminator" not in node:
        return dict(node.get("properties", {}))
    mapping = node["discriminator"]["mapping"]
    if tag not in mapping:
        return {node["discriminator"]["propertyName"]: {"enum": list(mapping)}}
    return properties({"$ref": mapping[tag]}, schema)


def child(node: Node, schema: Node, key: str | int, *, tag: object = None) -> Node | None:
    """The node of one entry of a section, list or mapping; None if there is none.

    Args:
        node: The section, list or mapping.
        schema: The whole schema.
        key: Its key or index.
        tag: ``kind`` of the section, if it is one of several.
    """
    node = _only(resolve(node, schema), schema)
    if isinstance(key, int):
        return node.get("items")
    found = properties(node, schema, tag=tag).get(key)
    if found is not None:
        return found
    others = node.get("additionalProperties") or next(
        iter(node.get("patternProperties", {}).values()), None
    )
    return others if isinstance(others, dict) else None


def _only(node: Node, schema: Node) -> Node:
    """The one option besides null."""
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    return resolve(options[0], schema) if len(options) == 1 else node
