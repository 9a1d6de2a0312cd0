"""Composes the page from figures, numbers and their origin."""

__all__ = ["Figure", "Section", "origin_of_page", "render"]

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image

from neuralgnn.report.graph import Rule, draw_rules
from neuralgnn.report.metrics import SUMMARY_METRICS, Line

_WIDTH = 1600  # pixels
_QUALITY = 90  # percent, of what WebP keeps


@dataclass(frozen=True)
class Figure:
    """A figure with its caption.

    Args:
        name: Its name, such as ``supp_1``.
        title: Its name in words.
        caption: What it shows.
        png: The picture.
        origin: Where its numbers come from, if it says so.
    """

    name: str
    title: str
    caption: str
    png: Path
    origin: Mapping[str, Any] | None = None

    @property
    def source(self) -> str:
        """The picture itself as a URL, so that the page needs no other file.

        At the width of a screen; a page of seventy figures at a journal's would be 130 MB.
        """
        plain, small = self.png.read_bytes(), BytesIO()
        with Image.open(self.png) as picture:
            picture.thumbnail((_WIDTH, _WIDTH * picture.height), Image.Resampling.LANCZOS)
            picture.convert("RGB").save(small, "WEBP", quality=_QUALITY)
        kind, content = min(
            ("png", plain), ("webp", small.getvalue()), key=lambda each: len(each[1])
        )
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True)
class Section:
    """Numbers of one fit.

    Args:
        experiment: Name of the experiment.
        fit: Name of the fit.
        trainer: Kind of trainer.
        target: Kind of target.
        seeds: Its seeds.
        lines: Its metrics.
    """

    experiment: str
    fit: str
    trainer: str
    target: str
    seeds: Sequence[int]
    lines: Sequence[Line]

    @property
    def headline(self) -> list[Line]:
        """Metrics with a published value, and those that sum up a fit."""
        return [
            line
            for line in self.lines
            if line.published is not None or line.metric in SUMMARY_METRICS
        ]


def render(
    *,
    figures: Sequence[Figure],
    sections: Sequence[Section],
    titles: Mapping[str, str],
    times: Sequence[Mapping[str, Any]],
    rules: Sequence[Rule],
    provenance: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    results: Sequence[tuple[str, str]],
) -> str:
    """Gives the whole page as HTML; it refers to no other file and no network.

    Args:
        figures: Figures in their order.
        sections: Numbers by fit.
        titles: Title of each experiment.
        times: Rows ``step``, ``of``, ``seconds``, ``memory``, ``declared`` (memory that the rule
            declares), ``over`` (whether it was more) of the jobs.
        rules: Rules of the run and what they read.
        provenance: Versions, revision, command and cost of the page.
        settings: Settings of all results by their digest.
        results: Name and size of the files.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.filters["panels"] = panels
    environment.filters["duration"] = duration
    template = files("neuralgnn.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        figures=figures,
        sections=sections,
        titles=titles,
        times=times,
        graph=draw_rules(rules) if rules else "",
        settings={key: json.dumps(value, indent=1) for key, value in settings.items()},
        provenance=provenance,
        record=json.dumps(provenance, sort_keys=True),
        results=results,
    )


def origin_of_page(path: Path) -> dict[str, Any] | None:
    """What a report says of its own origin; None if it is another page.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = re.search(r'<meta name="neuralgnn" content="([^"]*)">', path.read_text("utf-8"))
    return json.loads(unescape(found[1])) if found else None


def number(value: float | None) -> str:
    """A number as a reader wants it: whole ones whole, 0.99997 not as 1, powers of ten as such."""
    if value is None:
        return "–"
    near = abs(value - 1)
    if 0 < near < 1e-8:
        text = f"1 {'−' if value < 1 else '+'} {_power(near)}"
    elif value == round(value) and abs(value) < 1e6:
        text = f"{value:.0f}"
    elif near < 0.01:
        text = f"{value:.{max(3, math.ceil(-math.log10(near) - 1e-6))}f}"
    elif abs(value) >= 1e6 or abs(value) < 1e-3:
        text = _power(value)
    elif abs(value) >= 1000:
        text = f"{value:,.0f}".replace(",", "\u2009")
    else:
        text = f"{value:.3g}"
    return text.replace("-", "−")


def _power(value: float) -> str:
    """``1.4·10⁻⁷``."""
    digits, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits}·10{raised}"


def panels(caption: str) -> list[tuple[str, str]]:
    """A caption as pairs of panel letters, possibly none, and the text that follows."""
    start, *rest = re.split(r"(?:^|(?<=\. ))([a-z](?:(?:, |–)[a-z])*)(?=, )", caption)
    return [("", start), *zip(rest[::2], rest[1::2], strict=True)]


def duration(seconds: float) -> str:
    """Seconds as ``1 h 02 min``, ``3 min 05 s`` or ``7.4 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
