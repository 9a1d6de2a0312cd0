"""The page says where memory was short, and refers to nothing outside itself."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuralgnn.data import provenance
from neuralgnn.report.graph import Rule
from neuralgnn.report.page import Figure, origin_of_page, render

ROW = {"step": "train", "of": "a", "seconds": 5.0, "memory": 900.0, "declared": 1000}


def page(*times: dict[str, Any]) -> str:
    return render(
        figures=[],
        sections=[],
        titles={},
        times=times,
        rules=[Rule("train", "5 s", warning=any(row["over"] for row in times))],
        provenance=provenance() | {"config_digests": {"fit": "ab" * 32}},
        settings={"ab" * 32: {"dt": 0.01}},
        results=[],
    )


@pytest.mark.parametrize("over", [False, True])
def test_a_job_over_its_declared_memory_is_marked_and_warned_of(over: bool) -> None:
    text = page(ROW | {"over": False}, ROW | {"memory": 1500.0, "over": over})

    assert ("1 of 2 jobs took more memory than their rule declares" in text) == over
    assert ("No job took more memory than its rule declares" in text) != over
    assert text.count('<tr class="over">') == over
    assert text.count('<g class="over">') == over


def test_settings_stand_once_and_are_linked_by_their_digest() -> None:
    text = page(ROW | {"over": False})

    assert text.count("&#34;dt&#34;: 0.01") == 1
    assert re.findall(r'href="#(settings-\w+)"', text) == re.findall(r'<h3 id="(\S+)"', text)


def test_the_page_carries_its_own_run(tmp_path) -> None:
    (tmp_path / "page.html").write_text(page(ROW | {"over": False}))

    about = origin_of_page(tmp_path / "page.html")
    assert about is not None
    assert {"command", "created", "seconds", "peak_mib"} <= set(about["run"])


def test_pictures_are_as_wide_as_a_screen_and_no_larger_than_their_files(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (300, 2400, 3), dtype=np.uint8)
    Image.fromarray(grain).save(tmp_path / "fine.png")
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(tmp_path / "plain.png")
    sources = {
        name: Figure(name, "", "", tmp_path / f"{name}.png").source for name in ("fine", "plain")
    }
    found = Image.open(io.BytesIO(base64.b64decode(sources["fine"].split(",")[1])))

    assert sources["fine"].startswith("data:image/webp;base64,") and found.size == (1600, 200)
    for name, source in sources.items():
        assert len(source) <= 4 / 3 * (tmp_path / f"{name}.png").stat().st_size + 50
