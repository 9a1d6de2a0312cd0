"""The report as a browser shows it: every picture, every table, no network, no complaint."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / "config" / "test.yaml"


_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((name for name in _NAMES if shutil.which(name)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium (apt-get install chromium)"),
]

# Written into a copy of the page: what the browser made of it, as JSON in the document itself.
_LOOK = """
<script>
window.addEventListener("load", () => {
  const seen = {
    images: [...document.images].map((i) => i.complete && i.naturalWidth > 100 ? 1 : 0),
    tables: [...document.querySelectorAll("table")].map((t) => t.rows.length),
    anchors: [...document.querySelectorAll("a[href^='#']")]
      .filter((a) => !document.getElementById(a.getAttribute("href").slice(1))).length,
    graph: [...document.querySelectorAll("svg.rules rect")]
      .filter((r) => r.getBoundingClientRect().width > 40).length,
    requests: performance.getEntriesByType("resource").map((e) => e.name.slice(0, 80)),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  document.body.setAttribute("data-seen", JSON.stringify(seen));
});
</script>
"""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--enable-logging=stderr", "--window-size=1200,1600"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=10000",
)


@dataclass
class Shown:
    """What the browser saw, said on its console, asked the network for, and painted."""

    seen: dict[str, Any]
    console: list[str]
    requests: list[str]
    screenshot: bytes


@pytest.fixture(scope="module")
def shown(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return show(tiny / "results/test/report.html", tmp_path_factory.mktemp("browser"))


# Where the browser itself asks for updates and lists, whatever page is open.
_OWN = re.compile(r"//[^/]*\.(google|googleapis)\.com/")


def show(report: Path, folder: Path) -> Shown:
    """Opens a page and looks at it."""
    assert BROWSER is not None
    page = folder / "page.html"
    page.write_text(report.read_text().replace("</body>", _LOOK + "</body>"))
    command = [BROWSER, *_FLAGS, f"--user-data-dir={folder / 'profile'}"]
    net = folder / "net.json"
    dumped = subprocess.run(
        [*command, f"--log-net-log={net}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    shot = folder / "page.png"
    subprocess.run(
        [*command, f"--screenshot={shot}", page.as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    found = re.search(r'data-seen="([^"]*)"', dumped.stdout)
    assert found is not None, dumped.stderr
    return Shown(
        seen=json.loads(found[1].replace("&quot;", '"')),
        console=re.findall(r"CONSOLE.*", dumped.stderr),
        requests=[
            url
            for url in sorted(set(re.findall(r'"url":\s*"(https?://[^"]*)"', net.read_text())))
            if not _OWN.search(url)
        ],
        screenshot=shot.read_bytes(),
    )


def test_every_picture_loads_and_every_table_has_rows(shown: Shown) -> None:
    n_figures = len(yaml.safe_load(CONFIG.read_text())["figures"]) + 3  # the analysis of each fit
    assert shown.seen["images"] == [1] * n_figures
    assert len(shown.seen["tables"]) > 3 + n_figures  # numbers, times, origins
    assert min(shown.seen["tables"]) >= 1
    assert shown.seen["anchors"] == 0
    assert shown.seen["graph"] == 8  # rules, the page among them


def test_nothing_is_fetched_and_nothing_is_complained_of(shown: Shown) -> None:
    assert shown.requests == []
    assert shown.console == []
    assert [name for name in shown.seen["requests"] if not name.startswith("data:")] == []


def test_the_page_is_no_wider_than_its_window_and_is_painted(shown: Shown) -> None:
    assert shown.seen["overflow"] <= 0
    assert shown.screenshot.startswith(b"\x89PNG")
    assert len(shown.screenshot) > 20_000  # a blank page has 5 kB
