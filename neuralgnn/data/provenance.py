"""Where a result comes from: code, versions, settings. Independent of host and folder."""

__all__ = ["PACKAGES", "code_digest", "digest", "plain", "provenance"]

import hashlib
import json
import math
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np

from neuralgnn.data.cost import run_record

PACKAGES = (
    *("neuralgnn", "torch", "numpy", "scipy", "xarray", "zarr", "pydantic", "pyyaml"),
    *("scikit-learn", "umap-learn", "matplotlib", "pillow", "tqdm", "jaxtyping", "jinja2"),
    *("tensorboard", "snakemake", "snakemake-executor-plugin-slurm"),
)
"""Packages whose versions a result names: this one and all that it is pinned to."""
REVISION = "NEURALGNN_REVISION"
"""Environment variable that says the revision where the code lies outside its repository."""


def provenance(
    config: Mapping[str, Any] | None = None, *, stamp: bool = True, **more: Any
) -> dict[str, Any]:
    """Describes how a result came about, as plain JSON values.

    Args:
        config: Settings that made the result.
        stamp: Whether to add how it was made (``run``); not where the record has to be the same
            for the same settings and code, as in what a killed run is continued from.
        **more: Further entries.

    Returns:
        Entries ``versions``, ``revision`` (null outside a git checkout), ``config``,
        ``config_digest``, with ``stamp`` also ``run`` (see
        :func:`neuralgnn.data.cost.run_record`), and those of ``more``.
    """
    config = plain(dict(config or {}))
    record = {
        "versions": {name: _version(name) for name in PACKAGES} | {"python": python_version()},
        "revision": _revision(),
        "config": config,
        "config_digest": digest(config),
    }
    if stamp:
        record["run"] = run_record()
    return record | plain(more)


def digest(obj: Any) -> str:
    """SHA-256 of an object's canonical JSON: sorted keys, no spaces."""
    text = json.dumps(plain(obj), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def code_digest(*packages: str) -> str:
    """SHA-256 of the Python sources of packages: tells a resume state that the code changed."""
    folders = [
        Path(folder)
        for package in packages
        if (spec := find_spec(package)) is not None
        for folder in spec.submodule_search_locations or ()
    ]
    total = hashlib.sha256()
    for folder in folders:
        for source in sorted(folder.rglob("*.py")):
            total.update(source.relative_to(folder).as_posix().encode() + b"\0")
            total.update(source.read_bytes())
    return total.hexdigest()


def plain(obj: Any) -> Any:
    """The same object in JSON's types; numbers that are not finite become None."""
    if isinstance(obj, Mapping):
        return {str(key): plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple | range | set | frozenset):
        return [plain(value) for value in obj]
    if isinstance(obj, np.ndarray | np.generic):
        return plain(obj.tolist())
    if isinstance(obj, float):
        return obj if math.isfinite(obj) else None
    if obj is None or isinstance(obj, str | int):
        return obj
    if isinstance(obj, Path):
        return obj.as_posix()
    if callable(dump := getattr(obj, "model_dump", None)):
        return plain(dump(mode="json"))
    raise TypeError(f"{type(obj).__name__} {obj!r} has no JSON form; give numbers, text or lists")


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _revision() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # installed: a repository further up would be another's
        return os.environ.get(REVISION) or None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None
