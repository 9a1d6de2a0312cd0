"""Sizes, colours and words shared by all figures."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from neuralgnn.config.plot import PlotConfig
from neuralgnn.plot.save import save_figure
from neuralgnn.plot.style import (
    TRUTH,
    axes_mm,
    axis_label,
    draw_type_legend,
    look,
    r2_equation,
    r2_text,
    sheet,
    style,
    type_color,
    type_colors,
)


def test_seventy_types_have_seventy_colours() -> None:
    colors = {type_color(kind) for kind in range(70)}
    assert len(colors) == 70
    assert all(0 <= part <= 1 for color in colors for part in color)


def test_colour_of_a_type_does_not_depend_on_the_others() -> None:
    np.testing.assert_array_equal(type_colors(np.array([3, 0, 3]))[0], type_color(3))
    np.testing.assert_array_equal(type_colors(np.array([11, 40]))[1], type_color(40))
    assert type_colors(np.array([], dtype=int)).shape == (0, 3)


def test_unknown_type_is_grey() -> None:
    assert type_color(-1) == (0.5, 0.5, 0.5)


def test_first_types_differ_in_grey_print_or_hue() -> None:
    """Neighbouring types stay apart for colour-blind eyes: luminance or the blue-yellow axis."""
    colors = np.array([type_color(kind) for kind in range(4)])
    luminance = colors @ [0.2126, 0.7152, 0.0722]
    blue_yellow = colors[:, 2] - colors[:, :2].mean(axis=1)
    for i in range(4):
        for j in range(i):
            apart = abs(luminance[i] - luminance[j]) + abs(blue_yellow[i] - blue_yellow[j])
            assert apart > 0.15


def test_axes_are_placed_in_mm_from_the_top_left_corner() -> None:
    figure = sheet(180.0, 100.0)
    box = axes_mm(figure, 18.0, 10.0, 90.0, 40.0).get_position()
    assert (box.x0, box.y1, box.width, box.height) == pytest.approx((0.1, 0.9, 0.5, 0.4))
    assert figure.get_size_inches() * 25.4 == pytest.approx((180.0, 100.0))


def test_a_look_changes_colours_and_resolution_and_ends_with_its_context() -> None:
    plot = PlotConfig(type_colors=("#ff0000", "0.5"), truth_color="#00ff00", dpi=60)
    before = type_color(0), to_rgb(TRUTH)
    with look(plot), style():
        assert type_color(0) == (1, 0, 0) and type_color(1) == (0.5, 0.5, 0.5)
        assert len({type_color(kind) for kind in range(20)}) == 20
        assert to_rgb(TRUTH) == (0, 1, 0)
        assert mpl.rcParams["savefig.dpi"] == 60
    with style():
        assert (type_color(0), to_rgb(TRUTH)) == before
        assert mpl.rcParams["savefig.dpi"] == 300


def test_lines_are_drawn_in_the_colour_of_the_look(tmp_path: Path) -> None:
    """Also those whose colour matplotlib looks up only when it draws."""
    for name, color in (("a", "#ff0000"), ("b", "#0000ff")):
        with look(PlotConfig(truth_color=color, dpi=50)):
            figure = sheet(50.0, 50.0)
            axes_mm(figure, 5.0, 5.0, 40.0, 40.0).plot([0, 1], color=TRUTH, lw=5)
            save_figure(figure, tmp_path / name)

    red, blue = (np.array(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in "ab")
    assert (red == [255, 0, 0]).all(-1).sum() > 100 and not (red == [0, 0, 255]).all(-1).any()
    assert (blue == [0, 0, 255]).all(-1).sum() > 100


def test_style_ends_with_its_context() -> None:
    before = mpl.rcParams["font.size"]
    with style():
        assert mpl.rcParams["font.size"] == 7
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert mpl.rcParams["font.size"] == before


@pytest.mark.parametrize(
    ("r2", "text"),
    [
        (0.922, "0.922"),
        (0.99997, "0.999970"),
        (0.9996, "0.99960"),
        (1 - 1e-9, "> 0.999999"),
        (1.0, "1"),
        (-0.5, "\N{MINUS SIGN}0.500"),
        (-np.inf, "< \N{MINUS SIGN}10"),
        (np.nan, "–"),
    ],
)
def test_r2_is_never_rounded_to_one(r2: float, text: str) -> None:
    assert r2_text(r2) == text


def test_printed_r2_tells_its_distance_from_one_to_a_tenth() -> None:
    for most in (3, 5, 6):
        for lost in np.logspace(-9, 0, 60):
            printed = float(r2_text(1 - lost, most=most).removeprefix("> "))
            assert printed < 1
            assert abs(printed - (1 - lost)) <= max(0.1 * lost, 10.0**-most)


def test_bound_is_printed_as_an_inequality() -> None:
    assert r2_equation(0.9) == "$R^2$ = 0.900"
    assert r2_equation(1 - 1e-9) == "$R^2$ > 0.999999"


def test_label_is_the_long_name_with_units() -> None:
    array = xr.DataArray(0, attrs={"long_name": "time", "units": "s"})
    assert axis_label(array, "other") == "time [s]"
    assert axis_label(xr.DataArray(0, attrs={"long_name": "R²", "units": "1"}), "other") == "R²"
    for placeholder in ("activity/s", "time unit"):
        assert axis_label(xr.DataArray(0, attrs={"units": placeholder}), "other") == "other"


def test_legend_of_many_types_is_left_out() -> None:
    ax = Figure().add_subplot()
    assert draw_type_legend(ax, xr.DataArray(np.arange(32))) is None
    legend = draw_type_legend(ax, xr.DataArray([0, 2, 0]))
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["type 1", "type 3"]
