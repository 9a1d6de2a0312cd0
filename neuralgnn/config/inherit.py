"""Experiments that are another one with some settings changed.

A file with ``extends: fig_2`` starts from the simulation, fits and analysis of ``fig_2.yaml``
beside it. Mappings are merged key by key, everything else is replaced; a variant with another
``kind`` replaces the whole mapping, and ``null`` takes an inherited fit or changed network away.
Title, source and published numbers belong to one experiment alone and are never inherited.
"""

__all__ = ["read_experiment"]

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.explain import nearest
from neuralgnn.config.source import Source, read_yaml

_INHERITED = ("simulation", "fits", "analysis")


def read_experiment(path: Path) -> Source:
    """Reads an experiment file, laid over the one it extends.

    Raises:
        ConfigError: If a file is missing or no YAML mapping, or experiments extend each other.
    """
    return _read(path, chain=())


def _read(path: Path, *, chain: tuple[str, ...]) -> Source:
    source = read_yaml(path)
    name = source.values.get("extends")
    if not isinstance(name, str):  # absent, or of a type that validation will refuse
        return source
    place = f"{source.place(('extends',))}: extends"
    file = path.parent / f"{name}.yaml"
    if name in (*chain, path.stem):
        loop = " -> ".join((*chain, path.stem, name))
        raise ConfigError([f"{place}: experiments extend each other in a circle: {loop}"])
    if "/" in name or not file.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml") if other != path)
        close = nearest(name, known)
        hint = f"; did you mean {close!r}?" if close else ""
        raise ConfigError(
            [f"{place}: found {name!r}, but there is no such file beside it{hint}; there are: "
             f"{', '.join(known)}"]
        )  # fmt: skip
    base = _read(file, chain=(*chain, path.stem))
    inherited = {key: base.values[key] for key in _INHERITED if key in base.values}
    return Source(source.path, _merge(inherited, source.values), source.root, base)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        inherited = merged.get(key)
        if isinstance(value, dict) and isinstance(inherited, dict):
            same = value.get("kind", inherited.get("kind")) == inherited.get("kind")
            merged[key] = _merge(inherited if same else {}, value)
        elif value is None and isinstance(inherited, dict):
            del merged[key]
        else:
            merged[key] = copy.deepcopy(value)
    return merged
