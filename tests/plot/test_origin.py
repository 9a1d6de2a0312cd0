"""A figure's files say where it comes from, and nothing else of its making."""

import zlib
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from neuralgnn.plot.movie import save_movie
from neuralgnn.plot.origin import read_origin
from neuralgnn.plot.save import save_figure

ORIGIN = {"figure": "fig_2", "sources": {"a": {"config": {"title": "ψ (a) \\ b\n", "n": [1, 2]}}}}


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_what_a_figure_is_given_comes_back_from_its_file(tmp_path: Path, suffix: str) -> None:
    save_figure(Figure(), tmp_path / "f", origin=ORIGIN)

    assert read_origin(tmp_path / f"f{suffix}") == ORIGIN


def test_a_movie_carries_its_origin_as_its_comment(tmp_path: Path) -> None:
    pictures = [Image.new("L", (8, 8), grey) for grey in (0, 99)]
    save_movie(pictures, tmp_path / "f.gif", seconds=1.0, origin=ORIGIN)
    save_movie(pictures, tmp_path / "none.gif", seconds=1.0)

    assert read_origin(tmp_path / "f.gif") == ORIGIN
    assert read_origin(tmp_path / "none.gif") is None


def test_equal_figures_of_equal_origin_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_figure(Figure(), tmp_path / name, origin=ORIGIN)

    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_figure_without_an_origin_says_none(tmp_path: Path) -> None:
    save_figure(Figure(), tmp_path / "f")

    assert read_origin(tmp_path / "f.png") is read_origin(tmp_path / "f.pdf") is None


def test_a_damaged_entry_is_refused_with_the_file_s_name(tmp_path: Path) -> None:
    body = b"neuralgnn\0{"
    chunk = len(body).to_bytes(4, "big") + b"tEXt" + body
    chunk += zlib.crc32(b"tEXt" + body).to_bytes(4, "big")
    (tmp_path / "f.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)

    with pytest.raises(ValueError, match=r"f\.png: where it comes from cannot be read"):
        read_origin(tmp_path / "f.png")


def test_another_file_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no figure"):
        read_origin(tmp_path / "f.svg")
