"""What each panel draws: positions, colours, ranges, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from neuralgnn.plot.activity import draw_color_bar, draw_kinograph, draw_scale, draw_traces
from neuralgnn.plot.connectivity import draw_weight_comparison, draw_weights, weight_limit
from neuralgnn.plot.density import draw_density, draw_grouped_density
from neuralgnn.plot.embedding import draw_embedding
from neuralgnn.plot.functions import (
    draw_transfer,
    draw_update,
    draw_visited,
    within_visited,
    zoom,
)
from neuralgnn.plot.identifiability import draw_spectrum, draw_standard_error
from neuralgnn.plot.populations import draw_type_shares
from neuralgnn.plot.rollout import draw_rollout_r2, draw_rollout_scatter, draw_rollout_traces
from neuralgnn.plot.scores import Score, draw_scores
from neuralgnn.plot.style import type_color
from neuralgnn.plot.training import draw_loss, draw_progress

TYPES = xr.DataArray([0, 1, 1], dims="neuron")


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(2, 2)).add_axes((0.2, 0.2, 0.7, 0.7))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def array(values, *dims: str, **coords) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=float), dims=dims, coords=coords)


def counts_of(image: Any) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(image.get_array()), 0)


def points_of(artist: Any) -> np.ndarray:
    return np.asarray(artist.get_offsets())


def faces_of(artist: Any) -> np.ndarray:
    return np.asarray(artist.get_facecolor())[:, :3]


def outline_of(artist: Any) -> np.ndarray:
    return np.asarray(artist.get_paths()[0].vertices)


def segments_of(artist: Any) -> np.ndarray:
    return np.array(artist.get_segments())


def x_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=float)


def y_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


def words(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


# activity


def test_traces_are_the_activity_shifted_down_neuron_by_neuron(ax, rng) -> None:
    activity = array(rng.normal(size=(7, 3)), "time", "neuron", time=np.arange(7) * 0.1)
    lines = draw_traces(ax, activity, types=TYPES, offset=10.0)
    for neuron, segment in enumerate(lines.get_segments()):
        np.testing.assert_allclose(segment[:, 0], activity["time"])
        np.testing.assert_allclose(segment[:, 1], activity[:, neuron] - 10 * neuron)
    np.testing.assert_allclose(
        np.asarray(lines.get_color())[:, :3], [type_color(0), type_color(1), type_color(1)]
    )
    assert lines.get_rasterized()


def test_traces_do_not_depend_on_the_order_of_dims(ax, rng) -> None:
    activity = array(rng.normal(size=(7, 3)), "time", "neuron", time=np.arange(7.0))
    one = draw_traces(ax, activity, offset=1.0).get_segments()
    other = draw_traces(ax, activity.T, offset=1.0).get_segments()
    np.testing.assert_array_equal(one, other)


def test_label_of_time_has_its_unit(ax, rng) -> None:
    time = xr.DataArray(np.arange(4.0), dims="time", attrs={"long_name": "time", "units": "s"})
    draw_traces(ax, array(rng.normal(size=(4, 3)), "time", "neuron", time=time))
    assert ax.get_xlabel() == "time [s]"


def test_activity_with_other_dims_is_refused(ax) -> None:
    with pytest.raises(ValueError, match=r"activity has dims \('frame', 'neuron'\), expected"):
        draw_traces(ax, array(np.zeros((4, 3)), "frame", "neuron"))


def test_types_of_other_neurons_are_refused(ax) -> None:
    with pytest.raises(xr.AlignmentError):
        draw_traces(ax, array(np.zeros((4, 2)), "time", "neuron", time=np.arange(4)), types=TYPES)


def test_scale_bar_is_round_and_not_longer_than_allowed(ax) -> None:
    ax.set_ylim(-100, 340)
    assert draw_scale(ax, share=0.12) == 50  # 52.8 allowed
    low, high = y_of(ax.lines[-1])
    assert high - low == 50


def test_kinograph_is_sorted_by_type_and_centred_at_zero(ax) -> None:
    activity = array([[1, 2, 3], [1, 2, 3]], "time", "neuron", time=[0, 1])
    types = xr.DataArray([1, 0, 1], dims="neuron")
    image = draw_kinograph(ax, activity, types=types)
    np.testing.assert_array_equal(image.get_array(), [[2, 2], [1, 1], [3, 3]])
    low, high = image.get_clim()
    assert low == pytest.approx(-high)
    assert draw_color_bar(ax, image, label="x").ax.get_title(loc="left") == "x"


# connectivity


def test_weights_keep_their_orientation_and_are_centred_at_zero(ax, rng) -> None:
    weight = array(rng.normal(size=(90, 90)), "post", "pre")
    image = draw_weights(ax, weight.T)  # dims, not positions, say what receives
    np.testing.assert_array_equal(image.get_array(), weight.values)
    limit = 1.1 * np.quantile(np.abs(weight), 0.99)
    assert image.get_clim() == pytest.approx((-limit, limit))
    assert ax.yaxis_inverted()


def test_inset_shows_the_first_rows_and_columns(ax, rng) -> None:
    weight = array(rng.normal(size=(90, 90)), "post", "pre")
    draw_weights(ax, weight)
    (inset,) = ax.child_axes
    np.testing.assert_array_equal(inset.images[0].get_array(), weight.values[:20, :20])
    assert inset.images[0].get_clim() == ax.images[0].get_clim()


def test_small_matrix_has_no_inset(ax) -> None:
    draw_weights(ax, array(np.eye(30), "post", "pre"))
    assert not ax.child_axes


def test_limit_of_an_empty_connectivity_is_positive() -> None:
    assert weight_limit(array(np.zeros((5, 5)), "post", "pre")) > 0


def test_comparison_counts_every_connection_but_the_diagonal(ax, rng) -> None:
    true = array(rng.normal(size=(50, 50)), "post", "pre")
    learned = true + 0.1 * rng.normal(size=(50, 50))
    image = draw_weight_comparison(ax, true, learned, r2=0.99, slope=1.0)
    assert counts_of(image).sum() == 50 * 49
    assert words(ax) == "$R^2$ = 0.990\nslope = 1.000"


def test_comparison_has_true_weights_on_the_horizontal_axis(ax) -> None:
    true = array([[0, 4.0], [0, 0]], "post", "pre")
    learned = array([[0, -2.0], [0, 0]], "post", "pre")
    image = draw_weight_comparison(ax, true, learned, count_bar=False)
    counts = counts_of(image)
    left, right, _, _ = image.get_extent()
    centers = left + (np.arange(len(counts)) + 0.5) * (right - left) / len(counts)
    rows, columns = np.nonzero(counts == 1)
    at = {(round(centers[c], 1), round(centers[r], 1)) for r, c in zip(rows, columns, strict=True)}
    width = (right - left) / len(counts)
    assert any(abs(x - 4) < width and abs(y + 2) < width for x, y in at)


def test_comparison_says_how_many_weights_lie_beyond(ax, rng) -> None:
    true = array(rng.uniform(-1, 1, size=(200, 200)), "post", "pre")
    learned = true.copy()
    learned[3, 5] = 1e6
    draw_weight_comparison(ax, true, learned)
    assert words(ax) == "1 beyond"
    assert ax.get_xlim()[1] < 2


def test_comparison_of_other_neurons_is_refused(ax) -> None:
    true = array(np.eye(3), "post", "pre", post=[0, 1, 2])
    with pytest.raises(xr.AlignmentError):
        draw_weight_comparison(ax, true, true.assign_coords(post=[1, 2, 3]))


def test_families_have_the_colour_of_their_receiver(ax) -> None:
    x = np.array([-1.0, 1.0, 1.0])
    image = draw_grouped_density(
        ax, x, x, np.array([0, 1, 1]), x_range=(-2, 2), y_range=(-2, 2), bins=4
    )
    rgba = np.asarray(image.get_array())
    np.testing.assert_allclose(rgba[1, 1, :3], type_color(0))
    np.testing.assert_allclose(rgba[3, 3, :3], type_color(1))
    assert rgba[3, 3, 3] > rgba[1, 1, 3] > 0  # two points are stronger than one
    assert (rgba[..., 3] > 0).sum() == 2


def test_density_leaves_empty_bins_white_and_shows_single_points(ax) -> None:
    one = np.zeros(1)
    image = draw_density(ax, one, one, x_range=(-1, 1), y_range=(-1, 1), bins=3)
    assert np.ma.count(np.ma.asarray(image.get_array())) == 1
    assert image.norm.vmin == 1


def test_million_connections_are_drawn_as_one_image(ax, rng) -> None:
    true = array(rng.normal(size=(1000, 1000)), "post", "pre")
    draw_weight_comparison(ax, true, true)
    assert len(ax.images) == 1
    assert not ax.collections


# embedding and functions


def test_embedding_is_drawn_at_its_components_in_the_colours_of_types(ax, rng) -> None:
    points = array(rng.normal(size=(3, 2)), "neuron", "latent")
    drawn = draw_embedding(ax, points, types=TYPES)
    np.testing.assert_allclose(points_of(drawn), points)
    np.testing.assert_allclose(faces_of(drawn)[2], type_color(1))


def test_embedding_of_one_component_is_drawn_against_the_neuron(ax) -> None:
    drawn = draw_embedding(ax, array([[5.0], [6.0]], "neuron", "latent"))
    np.testing.assert_allclose(points_of(drawn), [[0, 5], [1, 6]])


def test_learned_updates_lie_on_top_of_the_grey_truth(ax) -> None:
    grid = np.linspace(-2, 2, 5)
    learned = array([grid, 2 * grid, 2 * grid], "neuron", "activity", activity=grid)
    true = array([grid, 2 * grid], "type", "activity", activity=grid)
    lines = draw_update(ax, learned, true=true, types=TYPES)
    assert len(lines.get_segments()) == 3
    np.testing.assert_allclose(lines.get_segments()[1][:, 1], 2 * grid)
    greys = ax.lines
    assert [len(x_of(line)) for line in greys] == [5, 5]
    assert all(to_rgb(line.get_color()) == to_rgb("0.72") for line in greys)
    assert all(line.get_zorder() < lines.get_zorder() for line in greys)


def test_wild_learned_function_does_not_hide_the_truth(ax) -> None:
    grid = np.linspace(-2, 2, 5)
    learned = array([1e6 * grid], "neuron", "activity", activity=grid)
    draw_update(ax, learned, true=array([grid], "type", "activity", activity=grid))
    assert ax.get_ylim()[1] < 10


def test_functions_on_another_grid_are_refused(ax) -> None:
    grid = np.linspace(-2, 2, 5)
    learned = array([grid], "neuron", "activity", activity=grid)
    with pytest.raises(xr.AlignmentError):
        draw_update(ax, learned, true=array([grid], "type", "activity", activity=grid + 0.1))


def test_update_is_not_taken_for_transfer(ax) -> None:
    learned = array([[0.0, 1.0]], "neuron", "activity", activity=[0, 1])
    with pytest.raises(ValueError, match="learned transfer has dims"):
        draw_transfer(ax, learned)


def test_transfer_of_every_sender_has_the_colour_of_its_type(ax) -> None:
    learned = array(np.ones((3, 2)), "sender", "activity", activity=[0, 1])
    lines = draw_transfer(ax, learned, types=TYPES)
    np.testing.assert_allclose(np.asarray(lines.get_color())[2, :3], type_color(1))


def test_visited_range_is_a_band_at_the_bottom(ax) -> None:
    ax.set(xlim=(-2, 2), ylim=(50, 80))
    density = array([0, 3.0, 0], "activity", activity=[-1, 0, 1])
    band = draw_visited(ax, density, low=-0.5, high=0.5)
    heights = outline_of(band)[:, 1]
    assert heights.max() == pytest.approx(0.14)  # of the height of the axes
    assert [x_of(line)[0] for line in ax.lines] == [-0.5, 0.5]
    assert ax.get_ylim() == (50, 80)


def test_type_is_shown_wherever_one_of_its_neurons_has_been() -> None:
    grid = xr.DataArray(np.arange(-3.0, 4.0), dims="activity")
    curves = xr.DataArray(np.ones((2, 7)), dims=("type", "activity"), coords={"activity": grid})
    low, high = (xr.DataArray(end, dims="neuron") for end in ([-1, -3, 0], [0, 1, 2]))

    shown = within_visited(curves, low, high, by=xr.DataArray([0, 0, 1], dims="neuron")).notnull()

    assert shown.values.astype(int).tolist() == [[1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 0]]


def test_zoom_fills_the_axes_with_the_middle(ax) -> None:
    grid = np.linspace(-10, 10, 21)
    zoom(ax, half_width=2.0, shown=array([grid], "type", "activity", activity=grid))
    assert ax.get_xlim() == (-2, 2)
    assert ax.get_ylim() == pytest.approx((-2.32, 2.32))


# rollouts


def test_prediction_lies_on_the_grey_truth_with_the_same_offsets(ax, rng) -> None:
    true = array(rng.normal(size=(6, 3)), "frame", "neuron", frame=np.arange(6))
    learned = true + 0.5
    lines = draw_rollout_traces(ax, true, learned, types=TYPES, report_frames=[2, 4], offset=10)
    grey = ax.collections[0]
    difference = segments_of(lines) - segments_of(grey)
    np.testing.assert_allclose(difference[..., 1], 0.5)
    marks = [x_of(line)[0] for line in ax.lines[-2:]]
    assert marks == [2, 4]


def test_prediction_of_other_frames_is_refused(ax) -> None:
    true = array(np.zeros((6, 3)), "frame", "neuron", frame=np.arange(6))
    with pytest.raises(xr.AlignmentError):
        draw_rollout_traces(ax, true, true.assign_coords(frame=np.arange(1, 7)))


def test_scatter_prints_median_and_interquartile_range_over_starts(ax, rng) -> None:
    true = array(rng.normal(size=(5, 3)), "start", "neuron")
    r2 = array([0.1, 0.2, 0.3, 0.4, 0.5], "start")
    points = draw_rollout_scatter(ax, true, 2 * true, r2=r2, types=TYPES)
    assert words(ax) == "$R^2$ = 0.300\n[0.200, 0.400]"
    offsets = points_of(points)
    np.testing.assert_allclose(offsets[:, 1], 2 * offsets[:, 0])
    np.testing.assert_allclose(faces_of(points)[4], type_color(1))  # second start


def test_exponential_loss_of_r2_is_a_straight_line_downwards(ax) -> None:
    frames = np.arange(5)
    r2 = array([1 - 1e-5 * 10.0**frames], "start", "frame", frame=frames)
    lines = draw_rollout_r2(ax, r2)
    drawn = ax.transData.transform(lines.get_segments()[0])
    assert np.ptp(np.diff(drawn[:, 1])) == pytest.approx(0, abs=1e-6)
    assert drawn[1, 1] < drawn[0, 1]
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[:3] == ["0", "0.9", "0.99"]


@pytest.mark.parametrize(
    ("horizon", "expected"), [(30.0, "30 frames"), (250.0, "250 frames \N{RIGHTWARDS ARROW}")]
)
def test_lyapunov_horizon_is_named_within_and_beyond_the_frames(ax, horizon, expected) -> None:
    r2 = array(np.full((2, 101), 0.9), "start", "frame", frame=np.arange(101))
    draw_rollout_r2(ax, r2, horizon=horizon)
    assert words(ax) == f"Lyapunov horizon: {expected}"
    at = [x_of(line)[0] for line in ax.lines if len(x_of(line)) == 2]
    assert at == ([30.0] if horizon < 100 else [])


def test_infinite_horizon_is_not_drawn(ax) -> None:
    r2 = array(np.full((2, 11), 0.9), "start", "frame", frame=np.arange(11))
    draw_rollout_r2(ax, r2, horizon=float("inf"))
    assert not ax.texts


# identifiability, training, populations, scores


def test_spectrum_is_relative_and_sorted(ax) -> None:
    line = draw_spectrum(ax, array([1.0, 8.0, 4.0], "component"), effective_rank=2.0)
    np.testing.assert_allclose(y_of(line), [1, 0.5, 0.125])
    assert words(ax) == "effective rank\n2.0 of 3"


def test_errors_are_compared_with_standard_errors_in_decades(ax) -> None:
    error = array(np.full((4, 4), -0.1), "post", "pre")
    image = draw_standard_error(ax, array(np.full((4, 4), 0.01), "post", "pre"), error)
    counts = counts_of(image)
    low, high, _, _ = image.get_extent()
    ((row,), (column,)) = np.nonzero(counts)
    width = (high - low) / len(counts)
    assert low + (column + 0.5) * width == pytest.approx(-2, abs=width)
    assert low + (row + 0.5) * width == pytest.approx(-1, abs=width)
    assert counts.max() == 12  # without the diagonal


def test_missing_standard_errors_are_refused(ax) -> None:
    zero = array(np.zeros((4, 4)), "post", "pre")
    with pytest.raises(ValueError, match="no standard error is above zero"):
        draw_standard_error(ax, zero, zero + 1)


def test_progress_is_drawn_at_the_training_steps(ax) -> None:
    line = draw_progress(ax, array([0.1, 0.9], "checkpoint", checkpoint=[100, 5000]))
    np.testing.assert_array_equal(x_of(line), [100, 5000])
    assert ax.get_xlabel() == "training step"


def test_loss_terms_have_names_and_gaps_where_they_are_zero(ax) -> None:
    terms = {
        "fit": array([1.0, 0.1], "step", step=[0, 10]),
        "penalty": array([0.0, 0.1], "step", step=[0, 10]),
    }
    lines = draw_loss(ax, terms)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fit", "penalty"]
    assert np.isnan(y_of(lines[1])[0])


def test_shares_are_stacked_in_the_colours_of_types(ax) -> None:
    bars = draw_type_shares(ax, {"original": [0.5, 0.5], "changed": [0.25, 0.75]})
    last = bars[-1].patches[0]
    assert (last.get_x(), last.get_width(), last.get_y() + last.get_height() / 2) == (
        0.25,
        0.75,
        1,
    )
    assert to_rgb(last.get_facecolor()) == pytest.approx(type_color(1))


def test_shares_that_do_not_sum_to_one_are_refused(ax) -> None:
    with pytest.raises(ValueError, match=r"shares of 'changed' sum to 0.9, expected 1"):
        draw_type_shares(ax, {"changed": [0.4, 0.5]})


def test_scores_have_a_row_each_from_the_top(ax) -> None:
    scores = [
        Score("a", {"sgd": (0.5, 0.6)}, published=0.7, ceiling=0.9),
        Score("b", {"sgd": (0.1,)}),
    ]
    dots = draw_scores(ax, scores, series=["sgd"])
    np.testing.assert_allclose(points_of(dots[0]), [[0.5, 0], [0.6, 0]])
    np.testing.assert_allclose(points_of(dots[1]), [[0.1, 1]])
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]


def test_useless_score_does_not_stretch_the_axis(ax) -> None:
    draw_scores(ax, [Score("a", {"sgd": (-1e9, 0.9)})], series=["sgd"])
    assert ax.get_xlim()[0] > -1
    assert any(
        isinstance(text, Text) and text.get_text() == "\N{LEFTWARDS ARROW}" for text in ax.texts
    )


def test_unknown_series_is_refused(ax) -> None:
    with pytest.raises(ValueError, match="series 'adam' of 'a' is not in"):
        draw_scores(ax, [Score("a", {"adam": (1.0,)})], series=["sgd"])
