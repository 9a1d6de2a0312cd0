"""Stimuli: luminance everywhere, what each kind promises, refusals."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from neuralgnn.config.fly_stimulus import FlyStimulus
from neuralgnn.simulate.fly.lattice import columns, mirrored, n_columns, places, rotated
from neuralgnn.simulate.fly.stimulus import Show, draw_stimulus
from neuralgnn.simulate.fly.stimulus.patterns import sequence
from neuralgnn.simulate.fly.stimulus.videos import box_eye

EXTENT, DT = 2, 0.02


def shown(*, seed: int = 0, n_frames: int = 400, test: bool = False, **settings) -> np.ndarray:
    """Luminance at each time step."""
    show = draw(seed=seed, n_frames=n_frames, test=test, **settings)
    return show.values[show.frame]


def draw(*, seed: int = 0, n_frames: int = 400, test: bool = False, **settings) -> Show:
    return draw_stimulus(
        TypeAdapter(FlyStimulus).validate_python(settings),
        extent=EXTENT,
        n_frames=n_frames,
        dt=DT,
        test=test,
        generator=np.random.default_rng(seed),
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos whose brightness tells them apart, one of them too short, and a stray file."""
    root = tmp_path_factory.mktemp("davis")
    for number, (name, length) in enumerate([("a", 6), ("b", 5), ("c", 2), ("d", 7)]):
        (root / name).mkdir()
        for frame in range(length):
            grey = np.full((90, 120), 40 * number + 20 + frame, dtype=np.uint8)
            for suffix in ("jpg", "png"):
                Image.fromarray(grey).save(root / name / f"{frame:05d}.{suffix}")
    (root / "notes.txt").write_text("")
    return root


KINDS = [
    {"kind": "naturalistic"},
    {"kind": "flash"},
    {"kind": "flash", "radius": 1, "intensities": [0.2]},
    {"kind": "moving_edge", "speeds": [10], "pause": 0.1},
    {"kind": "moving_bar", "speeds": [10], "pause": 0.1},
    {"kind": "m_sequence"},
    {"kind": "white_noise", "hold": 3},
    {"kind": "blank", "luminance": 0.3},
]


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: "-".join(map(str, settings)))
def test_every_kind_fills_all_time_steps_with_luminance(settings: dict[str, object]) -> None:
    values = shown(**settings)

    assert values.shape == (400, 19)
    assert values.dtype == np.float32
    assert 0 <= values.min() <= values.max() <= 1
    np.testing.assert_array_equal(values, shown(**settings))
    if settings["kind"] != "blank":
        assert values.std() > 0.05
    if settings["kind"] in ("naturalistic", "m_sequence", "white_noise"):
        assert not np.array_equal(values, shown(seed=1, **settings))


def test_natural_movies_move_and_have_the_contrasts_of_all_clips() -> None:
    settings = {"flicker": 0, "white_noise": 0, "binary": 0, "contrasts": [1.0]}
    values = shown(kind="naturalistic", n_frames=3000, **settings)

    in_time, in_space = np.corrcoef(values[:-1, 9], values[1:, 9])[0, 1], values.std(axis=1).mean()
    assert 0.8 < in_time < 0.999
    assert in_space > 0.1
    near, far = (np.corrcoef(values[:, 9], values[:, other])[0, 1] for other in (10, 0))
    assert near > far > -0.2


def test_full_field_flicker_is_the_same_in_every_column() -> None:
    values = shown(kind="naturalistic", flicker=1, white_noise=0, binary=0)

    assert np.ptp(values, axis=1).max() == 0
    assert values.std() > 0.1


def test_binary_patches_have_two_luminances_per_clip() -> None:
    settings = {"flicker": 0, "white_noise": 0, "binary": 1, "clip_frames": [80, 80]}
    values = shown(kind="naturalistic", n_frames=80, **settings)

    assert len(np.unique(values)) == 2


def test_flashes_light_the_disc_for_their_duration() -> None:
    settings = {"intensities": [1.0], "radius": 1, "pause": 0.2, "duration": 0.4}
    values = shown(kind="flash", n_frames=40, **settings)
    inside = np.max(np.abs([*columns(2).T, columns(2).sum(axis=1)]), axis=0) <= 1

    expected = np.full((40, 19), 0.5)
    expected[np.ix_(np.arange(10, 30), inside)] = 1
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("angle", [0, 90, 210])
def test_an_edge_reaches_columns_in_its_direction_at_its_speed(angle: float) -> None:
    settings = {"intensities": [1.0], "angles": [angle], "speeds": [5.0], "pause": 0.0}
    values = draw(kind="moving_edge", **settings).values
    direction = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    along = places(columns(2)) @ direction

    arrival = (values < 0.75).sum(axis=0) * DT

    slope, _ = np.polyfit(along, arrival, 1)
    assert 1 / slope == pytest.approx(5, rel=0.05)
    assert values[-1].min() == 1


def test_a_bar_covers_its_width_and_passes() -> None:
    settings = {"intensities": [0.0], "angles": [90], "speeds": [5.0], "pause": 0.0, "width": 2.0}
    values = shown(kind="moving_bar", n_frames=100, **settings)

    darkness = (0.5 - values).sum(axis=0)[9] / 0.5 * DT * 5  # time covered times speed
    cycle = len(draw(kind="moving_bar", n_frames=100, **settings).values)
    assert darkness / (100 / cycle) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("order", range(4, 17))
def test_an_m_sequence_has_full_period_and_flat_autocorrelation(order: int) -> None:
    signs = 1 - 2 * sequence(order)
    spectrum = np.abs(np.fft.fft(signs)) ** 2

    assert len(signs) == 2**order - 1
    correlation = np.fft.ifft(spectrum).real
    np.testing.assert_allclose(correlation[1:], -1, atol=1e-6)


def test_columns_follow_shifts_of_the_same_m_sequence() -> None:
    values = shown(kind="m_sequence", order=8, contrast=0.5, n_frames=255)
    correlation = np.corrcoef(values.T) - np.eye(19)

    assert set(np.unique(values)) == {0.25, 0.75}
    assert np.abs(correlation).max() < 0.01


def test_an_array_is_shown_in_order_with_its_tail_held_out(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 19 * 40).reshape(40, 19)
    np.save(tmp_path / "movie.npy", values)
    settings = {"kind": "array", "path": str(tmp_path / "movie.npy")}

    np.testing.assert_allclose(shown(n_frames=50, **settings)[[0, 35, 36]], values[[0, 35, 0]])
    np.testing.assert_allclose(shown(n_frames=8, test=True, **settings)[[0, 4]], values[[36, 36]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v * 1.2, r"movie.npy is 1.2 at frame 0, column 0; luminance must lie in \[0"),
        (lambda v: v - 2, r"is -1 at frame 0"),
        (lambda v: np.where(v.cumsum().reshape(v.shape) == 5, np.nan, v), r"is nan at frame 0"),
        (lambda v: v[:, :7], r"has shape \(20, 7\) .* one column for each of the 19 columns"),
        (lambda v: v[:1], r"has 1 frame: too few"),
    ],
)
def test_an_array_that_is_no_luminance_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "movie.npy"
    np.save(path, change(np.ones((20, 19))))

    with pytest.raises(ValueError, match=message):
        shown(kind="array", path=str(path))


def test_the_eye_averages_squares_around_its_columns() -> None:
    image = np.random.default_rng(0).random((80, 91))
    expected = [
        image[
            40 + int(13 * (u + v / 2)) - 6 : 40 + int(13 * (u + v / 2)) + 7,
            45 + 13 * v - 6 : 45 + 13 * v + 7,
        ].mean()
        for u, v in columns(EXTENT)
    ]

    np.testing.assert_allclose(box_eye(image, extent=EXTENT), expected)


def test_a_small_image_is_enlarged_to_the_eye() -> None:
    gradient = np.linspace(0, 1, 10)[:, None] * np.ones(8)

    seen = box_eye(gradient, extent=EXTENT)

    u, v = columns(EXTENT).T
    inner = np.max(np.abs([u, v, u + v]), axis=0) < EXTENT  # beyond the rim it is dark
    np.testing.assert_allclose(seen[inner], 0.5 + (u + v / 2)[inner] * 13 / 53, atol=0.06)


@pytest.mark.parametrize("kind", ["davis", "sintel"])
def test_videos_are_split_by_name_and_shown_in_all_views(videos: Path, kind: str) -> None:
    length = {"min_frames": 3} if kind == "davis" else {"clip_frames": 5, "vertical_splits": 1}
    settings = {"kind": kind, "path": str(videos), "test_fraction": 0.3} | length

    train, test = (draw(test=held_out, **settings).values for held_out in (False, True))

    def videos_in(values: np.ndarray) -> set[int]:
        return set(np.round((255 * values.max(axis=1) - 20) // 40).astype(int).tolist())

    n_views = 8 if kind == "davis" else 12
    n_frames = (6 + 5, 7) if kind == "davis" else (5 + 5, 5)
    assert videos_in(train) == {0, 1}
    assert videos_in(test) == {3}
    assert (len(train), len(test)) == (n_views * n_frames[0], n_views * n_frames[1])


def test_views_are_flips_and_turns_of_the_same_clip(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        picture = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / name / "0.jpg", quality=95)
    settings = {"kind": "davis", "path": str(tmp_path), "min_frames": 1, "test_fraction": 0.5}

    plain = shown(n_frames=1, flips=[False], rotations=[0], **settings)[0]
    views = shown(n_frames=8, **settings)

    expected = {
        tuple(plain[order][rotated(EXTENT, turn)])
        for order, turn in itertools.product(
            (np.arange(n_columns(EXTENT)), mirrored(EXTENT)), (0, 1, 3, 4)
        )
    }
    assert {tuple(view) for view in views} == expected


def test_a_folder_without_videos_is_refused(tmp_path: Path, videos: Path) -> None:
    for path, message in [
        (tmp_path / "none", r"none is no folder; expected one folder of \*\.jpg per video"),
        (tmp_path, r"no folder with 50 or more \*\.jpg \(it has 0 with fewer\)"),
        (videos, r"no folder with 50 or more \*\.jpg \(it has 4 with fewer\)"),
    ]:
        with pytest.raises(FileNotFoundError, match=message):
            draw(kind="davis", path=str(path))


def test_one_video_cannot_be_split(videos: Path) -> None:
    with pytest.raises(ValueError, match=r"has 1 videos, of which .* leaves 0 for training"):
        draw(kind="davis", path=str(videos), min_frames=7)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"\xff\xd8 cut off")

    with pytest.raises(ValueError, match=r"0\.jpg cannot be read as an image"):
        draw(kind="davis", path=str(tmp_path), min_frames=1, test_fraction=0.5)
