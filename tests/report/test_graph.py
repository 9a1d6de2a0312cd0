"""The graph of rules: places, arrows, refusals."""

import re
from xml.etree import ElementTree

import pytest

from neuralgnn.report.graph import Rule, draw_rules

RULES = [
    Rule("simulate", "2 × · 7 s"),
    Rule("train", "9 s", frozenset({"simulate"})),
    Rule("select", "<1 s", frozenset({"simulate", "train"})),
    Rule("figure", "5 s", frozenset({"select"}), warning=True),
    Rule("table", "1 s", frozenset({"select"})),
]


def test_a_rule_stands_to_the_right_of_all_that_it_reads() -> None:
    left = {rule.name: box(rule.name)[0] for rule in RULES}

    for rule in RULES:
        assert all(left[source] < left[rule.name] for source in rule.reads)
    assert left["figure"] == left["table"] and box("figure")[1] != box("table")[1]


def test_an_arrow_that_others_imply_is_a_light_arc() -> None:
    svg = draw_rules(RULES)

    assert svg.count('class="arrow') == svg.count('class="head"') == 5
    assert svg.count("implied") == 1  # simulate to select, past train


def test_the_drawing_is_one_element_that_escapes_what_it_shows() -> None:
    root = ElementTree.fromstring(draw_rules(RULES))

    texts = [element.text for element in root.iter("text")]
    assert texts[:2] == ["simulate", "2 × · 7 s"] and "<1 s" in texts
    assert len([group for group in root.iter("g") if group.get("class") == "over"]) == 1


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([Rule("a", "", frozenset({"b"}))], "reads from 'b', which is not among the rules"),
        (
            [Rule("a", "", frozenset({"b"})), Rule("b", "", frozenset({"a"}))],
            "read from each other: a < b < a",
        ),
    ],
)
def test_what_is_no_graph_of_rules_is_refused(rules: list[Rule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_rules(rules)


def box(name: str) -> tuple[float, float]:
    """Upper left corner of a rule's box."""
    found = re.search(rf'x="([\d.]+)" y="([\d.]+)"[^>]*/><text[^>]*>{name}<', draw_rules(RULES))
    assert found is not None
    return float(found[1]), float(found[2])
