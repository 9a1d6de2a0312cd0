"""Every figure of the registry, drawn from a small synthetic analysis."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from neuralgnn.data.store import open_dataset, save_dataset
from neuralgnn.plot.figures import FIGURES, Need
from neuralgnn.plot.figures.summary import collect_scores
from neuralgnn.plot.save import save_figure
from neuralgnn.plot.style import style

Data = dict[str, Any]
PANELS = {
    "fig_2": "bcdefgh",
    "supp_1": "abcde",
    "supp_2": "abcd",
    "supp_3": "bcdefg",
    "supp_4": "abcd",
    "supp_5": "abcdefghij",
    "supp_6": "abcdefghij",
    "supp_7": "abcde",
    "supp_7_progress": "ab",
    "supp_8": "abcdef",
    "supp_9": "ab",
    "supp_10": "abcde",
    "supp_11": "bcdefgh",
    "supp_12": "bcdefgh",
    "assemblies": "",
    "supp_13": "bcdefgh",
    "supp_14": "bcdefgh",
    "identifiability": "ab",
    "analysis": "abcdefgh",
    "seeds": "ab",
    "summary": "",
}


def draw(name: str, data: Data) -> Figure:
    if name in ("supp_13", "supp_14"):
        data = data | {"functions": with_own_transfer(data["functions"], pairs=name == "supp_14")}
    needs = FIGURES[name].needs
    if FIGURES[name].over_seeds:
        needs = [one for one in data for need in needs if one.startswith(f"{need}_")]
    return FIGURES[name].function({need: data[Need.of(need).store] for need in needs})


def with_own_transfer(functions: xr.Dataset, *, pairs: bool) -> xr.Dataset:
    """The same functions, but every neuron (and pair) with a transfer function of its own."""
    types = functions["type"].values
    width = np.array([1.0, 2, 4, 8])[np.unique(types, return_inverse=True)[1]]
    x = functions["activity"].values
    low, high = np.full(len(types), x[20]), np.full(len(types), x[-20])
    own = functions.drop_vars(["learned_transfer"]).assign(
        learned_transfer=(("sender", "activity"), np.tanh(x / width[:, None])),
        neuron_low=("neuron", low),
        neuron_high=("neuron", high),
    )
    if not pairs:
        return own
    return own.assign(
        learned_pair_transfer=own["learned_transfer"].expand_dims(receiver_type=4),
        true_pair_transfer=own["true_transfer"].expand_dims(receiver_type=4),
    )


def letters(figure: Figure) -> str:
    texts = [text for text in figure.findobj(Text) if text.get_fontweight() == "bold"]
    return "".join(sorted(text.get_text() for text in texts))


def visible_texts(figure: Figure) -> list[tuple[Text, Any]]:
    """Texts with their boxes in mm, as drawn."""
    with style():
        figure.set_dpi(254)  # ten pixels per mm
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        unused = labels_outside_the_view(figure)
        return [
            (text, text.get_window_extent(canvas.get_renderer()))
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and text not in unused
        ]


def labels_outside_the_view(figure: Figure) -> set[Text]:
    """Tick labels that exist but are not drawn."""
    unused = set()
    axes: list[Any] = figure.findobj(Axis)
    for axis in axes:
        drawn = axis._update_ticks()  # the ticks that matplotlib itself draws
        for tick in {*axis.get_major_ticks(), *axis.get_minor_ticks()} - set(drawn):
            unused |= {tick.label1, tick.label2}
    return unused


@pytest.mark.parametrize("name", PANELS)
def test_figure_has_its_panels_and_a_caption_that_names_them(name: str, small: Data) -> None:
    assert letters(draw(name, small)) == PANELS[name]
    assert len(FIGURES[name].caption) > 80


@pytest.mark.parametrize("name", PANELS)
def test_texts_are_readable_and_do_not_overlap_or_leave_the_sheet(
    name: str, small: Data, untyped: Data
) -> None:
    figure = draw(name, untyped if FIGURES[name].experiment == "supp_3" else small)
    texts = visible_texts(figure)
    width, height = figure.get_size_inches() * 254
    for text, box in texts:
        assert float(text.get_fontsize()) >= 6, text
        assert box.x0 > 0 and box.y0 > 0 and box.x1 < width and box.y1 < height, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        overlap = (min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0))
        assert min(overlap) < 2, f"{one} and {other} overlap"  # 0.2 mm: boxes have margins


def test_figure_2_and_supplement_3_differ_by_the_embedding_only(small: Data) -> None:
    def ylabels(name: str) -> set[str]:
        return {ax.get_ylabel() for ax in draw(name, small).axes}

    assert ylabels("fig_2") - ylabels("supp_3") == {"latent $a_2$"}
    assert ylabels("supp_3") <= ylabels("fig_2")


def test_montage_has_eight_columns_labelled_by_true_training_steps(small: Data) -> None:
    figure = draw("supp_1", small)
    titles = [ax.get_title() for ax in figure.axes if "step" in ax.get_title()]
    assert len(figure.axes) == 40
    assert titles[0] == "step 1,000"
    assert titles[-1] == "step 100,000"
    assert len(titles) == 8


def test_montage_of_few_checkpoints_has_as_many_columns(small: Data) -> None:
    few = small | {"montage": small["montage"].isel(checkpoint=slice(0, 3))}
    assert len(draw("supp_1", few).axes) == 15


def test_montage_of_some_neurons_is_compared_with_their_true_weights(small: Data) -> None:
    chosen = np.arange(0, small["montage"].sizes["post"], 4)
    montage = small["montage"].isel(post=chosen, pre=chosen)
    montage = montage.assign_coords(post=chosen, pre=chosen)
    figure = draw("supp_1", small | {"montage": montage})
    true = small["weights"]["true_weight"].values[np.ix_(chosen, chosen)]
    counted = figure.axes[-1].images[0].get_array()
    assert counted is not None
    different = ~np.eye(len(chosen), dtype=bool)
    learned = montage["learned_weight"].values[-1]
    np.testing.assert_allclose(learned[different], true[different], atol=1e-5)
    rows, columns = np.nonzero(~np.ma.getmaskarray(counted))
    assert np.abs(rows - columns).max() <= 1  # the last checkpoint is the truth: a diagonal


def test_rollout_shows_the_start_with_the_median_r2(small: Data) -> None:
    rollout = small["rollout"]
    last = rollout["r2"].sel(frame=int(rollout["report_frame"][-1]))
    median = int(rollout["start_frame"][int(np.argsort(last.values)[len(last) // 2])])
    titles = [ax.get_title(loc="left") for ax in draw("supp_2", small).axes]
    assert f"start: frame {median:,}" in titles


def test_rollout_that_diverged_is_drawn(small: Data) -> None:
    rollout = small["rollout"].copy(deep=True)
    rollout["learned"][:, 100:] = np.inf
    rollout["learned"][0, 150:] = np.nan
    rollout["r2"][:, 100:] = -np.inf
    figure = draw("supp_2", small | {"rollout": rollout})
    assert any("< \N{MINUS SIGN}10" in text.get_text() for text in figure.findobj(Text))


def test_changed_network_is_described_by_its_own_shares(small: Data) -> None:
    figure = draw("supp_6", small)
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"60", "40", "25"} <= texts
    assert any("50 % of the connections kept" in text for text in texts)


@pytest.mark.parametrize(
    "name", ["fig_2", "supp_2", "supp_3", "supp_4", "identifiability", "analysis"]
)
def test_recording_without_truth_is_drawn(name: str, real_recording: Data) -> None:
    figure = draw(name, real_recording)
    legends = [text.get_text() for ax in figure.axes if ax.get_legend() for text in legend(ax)]
    assert not any("type" in text for text in legends)
    if name == "fig_2":
        assert any("cluster" in text for text in legends)


def test_analysis_is_drawn_from_what_the_disk_gives_back(small: Data, tmp_path: Path) -> None:
    """Names come back as another kind of text than was stored."""
    stores = {}
    for need in FIGURES["analysis"].needs:
        save_dataset(small[need], tmp_path / f"{need}.zarr")
        stores[need] = open_dataset(tmp_path / f"{need}.zarr")
    texts = {text.get_text() for text in draw("analysis", stores).findobj(Text)}
    assert "1.00 tanh(x)" in texts
    assert any("area" in text for text in texts)


def legend(ax: Any) -> list[Text]:
    return ax.get_legend().get_texts()


def test_montage_without_truth_is_refused(real_recording: Data) -> None:
    with pytest.raises(ValueError, match="true_weight, which the store weights lacks"):
        draw("supp_1", real_recording)


def test_missing_store_is_named(small: Data) -> None:
    with pytest.raises(ValueError, match="needs 'weights', found: activity"):
        FIGURES["fig_2"].function({"activity": small["activity"]})


def test_activity_of_another_network_is_refused(small: Data) -> None:
    with pytest.raises(xr.AlignmentError):
        draw("fig_2", small | {"activity": small["activity"].isel(neuron=slice(0, 30))})


def test_summary_keeps_scores_with_a_published_value_and_groups_seeds(small: Data) -> None:
    scores, fits = collect_scores(small["metrics"])
    assert fits == ["sgd", "varpro"]
    assert len(scores) == 8  # the seconds have no published value
    assert (scores[0].group, scores[0].label) == ("fig 2", "$W$: $R^2$*")
    assert scores[1].label == "$W$: slope*"
    assert scores[2].label == "rollout $R^2$ at frame 400"
    assert scores[4].label == "network of supp 5: $R^2$* at frame 800"
    assert len(scores[0].values["varpro"]) == 3
    assert scores[3].published == 0.625


def test_summary_reads_rows_as_a_csv_file_gives_them(small: Data) -> None:
    rows = [
        {key: "" if value is None else str(value) for key, value in row.items()}
        for row in small["metrics"]
    ]
    assert collect_scores(rows) == collect_scores(small["metrics"])


def test_summary_shows_raw_r2_of_weights_that_has_no_published_value(small: Data) -> None:
    raw = small["metrics"][0] | {"metric": "weights_r2", "published": None}
    other = raw | {"metric": "weights_slope"}
    scores, _ = collect_scores([raw, other])
    assert [score.label for score in scores] == ["$W$: $R^2$"]


def test_summary_orders_experiments_by_their_numbers(small: Data) -> None:
    row = small["metrics"][0]
    names = ["supp_10", "supp_8_5", "fig_3", "supp_7_10k", "supp_8_10", "fig_2"]
    scores, _ = collect_scores([row | {"experiment": name} for name in names])
    expected = ["fig 2", "fig 3", "supp 7 10k", "supp 8 5", "supp 8 10", "supp 10"]
    assert [score.group for score in scores] == expected


def test_summary_tells_fits_of_one_trainer_apart(small: Data) -> None:
    row = small["metrics"][0]
    scores, fits = collect_scores([row, row | {"fit": "varpro_sparse", "value": 0.5}])
    assert fits == ["varpro", "varpro_sparse"]
    assert scores[0].values["varpro_sparse"] == (0.5,)


def test_summary_leaves_counts_to_the_table(small: Data) -> None:
    count = small["metrics"][0] | {"metric": "n_clusters", "value": 4.0, "published": 4.0}
    scores, _ = collect_scores([*small["metrics"], count])
    assert len(scores) == 8


def test_summary_prints_a_slope_above_one(small: Data) -> None:
    slope = small["metrics"][0] | {"metric": "weights_slope", "value": 1.26, "published": 1.0}
    assert "1.260" in {
        text.get_text() for text in draw("summary", {"metrics": [slope]}).findobj(Text)
    }


def test_kinograph_takes_the_place_of_the_traces(small: Data) -> None:
    ax = FIGURES["fig_2"].function(small, kinograph=True).axes[0]
    assert np.ma.asarray(ax.images[0].get_array()).shape == small["activity"].T.shape
    assert not ax.collections


def test_summary_without_published_values_is_refused(small: Data) -> None:
    rows = [row | {"published": None} for row in small["metrics"]]
    with pytest.raises(ValueError, match="no score to draw"):
        draw("summary", {"metrics": rows})


def test_registry_is_listed_without_torch_or_matplotlib() -> None:
    code = (
        "import sys; from neuralgnn.plot.figures import FIGURES; "
        "print(len(FIGURES), 'torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(len(FIGURES)), "False", "False"]


def test_drawing_loads_neither_torch_nor_pyplot() -> None:
    code = (
        "import sys; from neuralgnn.plot.figures import FIGURES; import neuralgnn.plot.save; "
        "[spec.function for spec in FIGURES.values()]; "
        "print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["identifiability", "supp_2"])
def test_same_numbers_give_the_same_bytes(name: str, small: Data, tmp_path) -> None:
    first = save_figure(draw(name, small), tmp_path / "first")
    second = save_figure(draw(name, small), tmp_path / "second")
    assert [path.suffix for path in first] == [".pdf", ".png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[0].read_bytes()


def test_saving_twice_replaces_and_leaves_nothing_else(tmp_path) -> None:
    for _ in range(2):
        save_figure(Figure(figsize=(1, 1)), tmp_path / "a.b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.pdf", "a.b.png"]


def test_failed_drawing_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "old.pdf").write_bytes(b"old")
    figure = Figure(figsize=(1, 1))
    monkeypatch.setattr(figure, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_figure(figure, tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old.pdf"]
    assert (tmp_path / "old.pdf").read_bytes() == b"old"
