"""The connectome of the fly visual system, compiled for a lattice. Axes: C cells, E edges.

The file lists, for 605 pairs of cell types, how many synapses a cell has on average with the cell
at each offset (du, dv) of columns. A compiled connectome repeats these filters over the lattice
and cuts them at its rim. Where a filter has three offsets or more, those inside its convex hull
that were not reported get ``n_syn_fill`` synapses: inside or on the hull, but not on its lowest
row, ``v = min(dv)``. That last rule is what a half-open point-in-polygon test gives, and what
makes the counts those of the published network (434,112 edges at extent 8).

Source: Lappalainen et al. 2024 (Nature 634, 1132); the data come with the package flyvis, which is
read, not imported.
"""

__all__ = ["CONNECTOME_SHA256", "Connectome", "compile_connectome", "connectome_file"]

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from neuralgnn.simulate.fly.lattice import columns

CONNECTOME_SHA256 = "bfbb0766251ff09e22723d0ebbf7b14793e70b3ae8ad0eea64eac9d28223351a"
_FILE = "flyvis/connectome/fib25-fib19_v2.2.json"
_INSTALL = "pip install --no-deps flyvis==1.2.0 (make setup does it)"

Offset = tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Connectome:
    """Cells and edges, in the order in which trained parameters are stored.

    Pairs and entries are numbered as on an endless lattice, whatever the extent: at a small one
    some have no edges.

    Attributes:
        types: Names of the cell types, in the file's order.
        type: Number of each cell's type in ``types``.
        u: First axial coordinate of each cell's column.
        v: Second axial coordinate.
        pre: Sending cell of each edge.
        post: Receiving cell of each edge.
        pair: Number of each edge's pair of types, 0 .. n_pairs - 1.
        filter: Number of each edge's entry (pair and offset), 0 .. n_filters - 1.
        pair_types: Sending and receiving type of each pair.
        pair_sign: +1 for a pair that excites, -1 for one that inhibits.
        filter_n_syn: Synapses of each entry.
        filter_pair: Pair of each entry.
        input_types: Types that receive light.
        output_types: Types that project out of the optic lobe.
    """

    types: tuple[str, ...]
    type: Int[np.ndarray, " C"]
    u: Int[np.ndarray, " C"]
    v: Int[np.ndarray, " C"]
    pre: Int[np.ndarray, " E"]
    post: Int[np.ndarray, " E"]
    pair: Int[np.ndarray, " E"]
    filter: Int[np.ndarray, " E"]
    pair_types: Int[np.ndarray, "pairs 2"]
    pair_sign: Float[np.ndarray, " pairs"]
    filter_n_syn: Float[np.ndarray, " filters"]
    filter_pair: Int[np.ndarray, " filters"]
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """Number of cells ``C``."""
        return len(self.type)

    @property
    def n_edges(self) -> int:
        """Number of edges ``E``."""
        return len(self.pre)

    @property
    def input_cells(self) -> Int[np.ndarray, " P"]:
        """Cells that receive light."""
        numbers = [self.types.index(name) for name in self.input_types]
        return np.flatnonzero(np.isin(self.type, numbers))


def connectome_file() -> Path:
    """Where the installed package flyvis keeps the connectome.

    Raises:
        FileNotFoundError: If it is not installed, or lacks the file.
    """
    try:
        path = Path(str(distribution("flyvis").locate_file(_FILE)))
    except PackageNotFoundError:
        raise FileNotFoundError(
            f"the connectome comes with the package flyvis, which is not installed: {_INSTALL}"
        ) from None
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; install flyvis again: {_INSTALL}")
    return path


def compile_connectome(
    extent: int, *, n_syn_fill: float = 1.0, path: Path | None = None
) -> Connectome:
    """Repeats the connectome's filters over a lattice.

    Args:
        extent: Radius of the lattice [column].
        n_syn_fill: Synapses of offsets in a filter's hull that were not reported; 0: no edges.
        path: The connectome file; None: the installed one.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is not the known file, or the lattice has no cell.
    """
    content = _read(connectome_file() if path is None else path)
    if extent < 0:
        raise ValueError(f"a lattice of extent {extent} has no cells; allowed: 0 and above")
    names = [node["name"] for node in content["nodes"]]
    lattice = columns(extent)
    cells = [lattice[(lattice % node["pattern"][1] == 0).all(axis=1)] for node in content["nodes"]]
    uv = np.concatenate(cells)
    first = np.cumsum([0, *map(len, cells)])
    # Cell at each place of the lattice and around it, -1 where there is none.
    reach = extent + _reach(content["edges"])
    at = np.full((len(names), 2 * reach + 1, 2 * reach + 1), -1)
    for number, places in enumerate(cells):
        u, v = (places + reach).T
        at[number, u, v] = first[number] + np.arange(len(places))
    pre, post, pair, entry = [], [], [], []
    pair_types, pair_sign, filter_n_syn, filter_pair = [], [], [], []
    for edge in content["edges"]:
        source, target = names.index(edge["src"]), names.index(edge["tar"])
        strides = [content["nodes"][number]["pattern"][1] for number in (source, target)]
        common = np.gcd(*strides)
        entries = [
            (offset, n_syn)
            for offset, n_syn in _filled(edge["offsets"], n_syn_fill)
            if not np.any(offset % common)  # else the strides never meet
        ]
        if not entries:
            continue
        senders = first[source] + np.arange(len(cells[source]))
        for offset, n_syn in entries:
            u, v = (cells[source] + offset + reach).T
            receivers = at[target, u, v]
            there = receivers >= 0
            pre.append(senders[there])
            post.append(receivers[there])
            pair.append(np.full(there.sum(), len(pair_sign)))
            entry.append(np.full(there.sum(), len(filter_n_syn)))
            filter_n_syn.append(n_syn)
            filter_pair.append(len(pair_sign))
        pair_types.append((source, target))
        pair_sign.append(edge["alpha"])
    return Connectome(
        types=tuple(names),
        type=np.repeat(np.arange(len(names)), np.diff(first)),
        u=uv[:, 0],
        v=uv[:, 1],
        pre=np.concatenate(pre),
        post=np.concatenate(post),
        pair=np.concatenate(pair),
        filter=np.concatenate(entry),
        pair_types=np.array(pair_types),
        pair_sign=np.array(pair_sign, dtype=np.float64),
        filter_n_syn=np.array(filter_n_syn, dtype=np.float64),
        filter_pair=np.array(filter_pair),
        input_types=tuple(content["input_units"]),
        output_types=tuple(content["output_units"]),
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; the connectome file is part of flyvis")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != CONNECTOME_SHA256:
        raise ValueError(
            f"{path} has SHA-256 {found[:12]}…, expected {CONNECTOME_SHA256[:12]}…: it is another "
            f"version or was altered; install the known one: {_INSTALL}"
        )
    return json.loads(content)


def _reach(edges: list[dict[str, Any]]) -> int:
    return max(abs(d) for edge in edges for offset, _ in edge["offsets"] for d in offset)


def _filled(offsets: list[Any], n_syn_fill: float) -> list[tuple[Offset, float]]:
    """A filter's entries: the reported ones, then those filled in, by rising du, then dv."""
    reported: list[tuple[Offset, float]] = [((du, dv), n_syn) for (du, dv), n_syn in offsets]
    known = [offset for offset, _ in reported]
    if n_syn_fill <= 0 or len(known) < 3:
        return reported
    return reported + [(offset, n_syn_fill) for offset in _unreported(known)]


def _unreported(known: list[Offset]) -> list[Offset]:
    hull = _convex_hull(known)
    if len(hull) < 3:  # all on one line
        return []
    corners = np.array(hull)
    sides = np.roll(corners, -1, axis=0) - corners
    (low_u, low_v), (high_u, high_v) = np.min(known, axis=0), np.max(known, axis=0)
    candidates = [
        (du, dv)
        for du in range(low_u, high_u + 1)
        for dv in range(low_v + 1, high_v + 1)  # without the lowest row, see the module
        if (du, dv) not in known
    ]
    return [point for point in candidates if np.all(_cross(sides, np.array(point) - corners) >= 0)]


def _convex_hull(points: list[Offset]) -> list[Offset]:
    """Corners, counterclockwise (Andrew's monotone chain, exact in integers)."""
    ordered = sorted(points)

    def chain(sequence: list[Offset]) -> list[Offset]:
        corners: list[Offset] = []
        for point in sequence:
            while len(corners) > 1 and not _turns_left(corners[-2], corners[-1], point):
                corners.pop()
            corners.append(point)
        return corners[:-1]

    return chain(ordered) + chain(ordered[::-1])


def _turns_left(a: Offset, b: Offset, c: Offset) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])


def _cross(a: Int[np.ndarray, "K 2"], b: Int[np.ndarray, "K 2"]) -> Int[np.ndarray, " K"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
