"""The rules of a run and what flows between them, drawn as one inline SVG.

Rules stand in columns: each to the right of all that it reads from. An arrow that others imply
(simulate, train, select imply simulate, select) is drawn lightly, as an arc below them.
"""

__all__ = ["Rule", "draw_rules"]

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

_WIDTH, _HEIGHT = 118, 44  # of a box [px]
_GAP, _ROW = 36, 64  # between columns, from one row to the next [px]
_MARGIN = 6


@dataclass(frozen=True)
class Rule:
    """A rule of the workflow.

    Args:
        name: Its name.
        note: What its jobs took, in a few words.
        reads: Names of the rules whose outputs its jobs read.
        warning: Whether to mark it.
    """

    name: str
    note: str
    reads: Set[str] = field(default_factory=frozenset)
    warning: bool = False


def draw_rules(rules: Sequence[Rule]) -> str:
    """Gives an ``<svg>`` element; its colours are those of the page's style sheet.

    Args:
        rules: All rules; each reads only from rules that are among them.

    Raises:
        ValueError: If a rule reads from one that is not there, or from itself by way of others.
    """
    by_name = {rule.name: rule for rule in rules}
    columns = _columns(by_name)
    places = _places(by_name, columns)
    lowest = max(y for _, y in places.values()) + _HEIGHT
    arrows, depth = [], lowest
    for rule in rules:
        for source in sorted(rule.reads):
            implied = _implied(by_name, source, rule.name)
            span = columns[rule.name] - columns[source]
            bend = lowest + 14 * span if implied else 0.0
            depth = max(depth, bend)
            line, head = _arrow(places[source], places[rule.name], bend)
            kind = "arrow implied" if implied else "arrow"
            arrows.append(f'<path class="{kind}" d="{line}"/><path class="head" d="{head}"/>')
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    boxes = [_box(rule, *places[rule.name]) for rule in rules]
    return "\n".join(
        [
            f'<svg class="rules" viewBox="0 0 {width} {depth + _MARGIN:.0f}" role="img" '
            'aria-label="Rules of the run and what flows between them">',
            *arrows,
            *boxes,
            "</svg>",
        ]
    )


def _columns(rules: Mapping[str, Rule]) -> dict[str, int]:
    """Column of each rule: the longest way to it."""
    columns: dict[str, int] = {}

    def column(name: str, way: tuple[str, ...]) -> int:
        if name not in rules:
            raise ValueError(f"rule {way[-1]!r} reads from {name!r}, which is not among the rules")
        if name in way:
            raise ValueError(f"rules read from each other: {' < '.join((*way, name))}")
        if name not in columns:
            sources = [column(source, (*way, name)) for source in sorted(rules[name].reads)]
            columns[name] = 1 + max(sources, default=-1)
        return columns[name]

    for name in rules:
        column(name, ())
    return columns


def _places(
    rules: Mapping[str, Rule], columns: Mapping[str, int]
) -> dict[str, tuple[float, float]]:
    """Upper left corner of each box: columns from left to right, their boxes centred."""
    ordered = sorted(rules, key=lambda name: columns[name])
    stacks = [list(stack) for _, stack in groupby(ordered, key=lambda name: columns[name])]
    tallest = max(map(len, stacks))
    return {
        name: (
            _MARGIN + column * (_WIDTH + _GAP),
            _MARGIN + _ROW * (row + (tallest - len(stack)) / 2),
        )
        for column, stack in enumerate(stacks)
        for row, name in enumerate(stack)
    }


def _implied(rules: Mapping[str, Rule], source: str, target: str) -> bool:
    """Whether there is a way from source to target over other rules."""
    queue, seen = [name for name in rules[target].reads if name != source], set()
    while queue:
        name = queue.pop()
        if source in rules[name].reads:
            return True
        if name not in seen:
            seen.add(name)
            queue.extend(rules[name].reads)
    return False


def _arrow(
    source: tuple[float, float], target: tuple[float, float], bend: float
) -> tuple[str, str]:
    """Line and head, from the right side of a box to the left one of another, or foot to foot.

    The head is drawn as such: a marker would be a reference, of which the page has none.
    """
    (x0, y0), (x1, y1) = source, target
    if not bend:
        x0, y0, y1 = x0 + _WIDTH, y0 + _HEIGHT / 2, y1 + _HEIGHT / 2
        turn = x1 - _GAP  # straight on past the columns between
        half = x1 - _GAP / 2
        line = f"M{x0:g} {y0:g}H{turn:g}C{half:g} {y0:g} {half:g} {y1:g} {x1:g} {y1:g}"
        return line, f"M{x1 - 7:g} {y1 - 3.5:g}L{x1:g} {y1:g}L{x1 - 7:g} {y1 + 3.5:g}z"
    x0, x1 = x0 + 0.65 * _WIDTH, x1 + 0.35 * _WIDTH
    y0, y1, low = y0 + _HEIGHT, y1 + _HEIGHT, bend + (bend - y0 - _HEIGHT) / 3
    line = f"M{x0:g} {y0:g}C{x0:g} {low:g} {x1:g} {low:g} {x1:g} {y1:g}"
    return line, f"M{x1 - 3.5:g} {y1 + 7:g}L{x1:g} {y1:g}L{x1 + 3.5:g} {y1 + 7:g}z"


def _box(rule: Rule, x: float, y: float) -> str:
    kind = ' class="over"' if rule.warning else ""
    middle = x + _WIDTH / 2
    return (
        f'<g{kind}><rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
        f'<text x="{middle:g}" y="{y + 18:g}">{escape(rule.name)}</text>'
        f'<text class="note" x="{middle:g}" y="{y + 34:g}">{escape(rule.note)}</text></g>'
    )
