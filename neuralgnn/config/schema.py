"""Writes what follows from the models: JSON schemas for Snakemake and editors, reference page.

``python -m neuralgnn.config.schema`` rewrites them; a test compares them with the models.
"""

__all__ = ["documents", "main", "reference", "schema"]

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from neuralgnn.config.describe import Node, describe, resolve
from neuralgnn.config.experiment import ExperimentConfig, WorkflowConfig

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FILES: dict[str, type[BaseModel]] = {"experiment": ExperimentConfig, "workflow": WorkflowConfig}

_HEADER = """\
# Configuration

Every key of the two kinds of configuration file, with what it allows, its meaning with unit, and
its default. Unknown keys are errors. This page is generated from the models in
`neuralgnn/config` by `make schema`.

`neuralgnn config check FILE` checks a file; `neuralgnn config show FILE` prints it with all
defaults filled in.
"""

_TITLES = {
    "experiment": "## An experiment: `config/experiments/<name>.yaml`",
    "workflow": "## A run of the workflow: `config/config.yaml`",
}


def main() -> None:
    """Rewrites the generated files below the current folder."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, text in documents().items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            logging.getLogger(__name__).info("wrote %s", path)


def documents() -> dict[str, str]:
    """The generated files: content by path relative to the project."""
    files = {
        f"workflow/schemas/{name}.schema.json": json.dumps(schema(name), indent=2) + "\n"
        for name in _FILES
    }
    return files | {"docs/config.md": reference()}


def schema(name: str) -> dict[str, Any]:
    """JSON schema of the ``experiment`` or the ``workflow`` file."""
    text = json.dumps(_FILES[name].model_json_schema(), sort_keys=False)
    return {"$schema": _DIALECT} | _strict(json.loads(text))


def reference() -> str:
    """The reference page, in Markdown."""
    parts = [_HEADER]
    for name in _FILES:
        root = schema(name)
        parts.append(_TITLES[name] + "\n")
        parts += [_section(title, node, root) for title, node in _sections(root)]
    return "\n".join(parts)


def _strict(node: Any) -> Any:
    """Forbids names that do not match the pattern, which pydantic does but does not write down."""
    if isinstance(node, list):
        return [_strict(entry) for entry in node]
    if not isinstance(node, Mapping):
        return node
    # Key order inside a default follows the class of the day; sorted, the file only changes with
    # its meaning.
    inner = {
        key: dict(sorted(value.items()))
        if key == "default" and isinstance(value, dict)
        else _strict(value)
        for key, value in node.items()
    }
    return inner | ({"additionalProperties": False} if "patternProperties" in inner else {})


def _sections(root: Node) -> Iterator[tuple[str, Node]]:
    """Every section once, in reading order: its key path, or path and kind of a variant."""
    queue: list[tuple[str, Node]] = [("", root)]
    while queue:
        path, node = queue.pop(0)
        yield path, node
        inner = []
        for key, value in node["properties"].items():
            inner += _inner(f"{path}.{key}".removeprefix("."), value, root)
        queue = inner + queue


def _inner(path: str, node: Node, root: Node) -> list[tuple[str, Node]]:
    node = resolve(node, root)
    if "discriminator" in node:
        variants = node["discriminator"]["mapping"].items()
        return [(f"{path}` = `{tag}", resolve({"$ref": ref}, root)) for tag, ref in variants]
    if "items" in node:
        return _inner(f"{path}[]", node["items"], root)
    for entry in node.get("patternProperties", {}).values():
        return _inner(f"{path}.<name>", entry, root)
    return [(path, node)] if "properties" in node else []


def _section(path: str, node: Node, root: Node) -> str:
    title = f"### `{path}`\n\n" if path else ""
    rows = ["| key | allowed | meaning | default |", "|---|---|---|---|"]
    for key, value in node["properties"].items():
        known = resolve(value, root)
        required = "const" in known or key in node.get("required", ())
        default = "required" if required else f"`{_default(known.get('default'))}`"
        cells = (f"`{key}`", describe(value, root), _text(known), default)
        rows.append(f"| {' | '.join(cells)} |")
    return f"{title}{_text(node)}\n\n" + "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    text = json.dumps(value)
    return "see below" if len(text) > 60 else text


def _text(node: Node) -> str:
    words = " ".join(str(node.get("description", "")).split()).replace("``", "`")
    return words.replace("|", "\\|")


if __name__ == "__main__":
    main()
