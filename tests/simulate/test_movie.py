import numpy as np
import pytest
from PIL import Image

from neuralgnn.config.simulation import MovieInput, SyntheticMovie
from neuralgnn.simulate.movie import make_movie, read_movie, synthetic_movie


@pytest.fixture(scope="module")
def published_like() -> np.ndarray:
    return synthetic_movie(SyntheticMovie(), shape=(32, 32), seed=42)


def test_synthetic_movie_has_the_published_statistics(published_like) -> None:
    movie = published_like

    assert movie.shape == (257, 32, 32)
    assert (movie.min(), movie.max()) == pytest.approx((0.5, 1.4797), abs=1e-6)
    assert movie.mean() == pytest.approx(1.0784, abs=5e-4)
    assert movie.std() == pytest.approx(0.2930, abs=5e-4)
    assert np.abs(np.diff(movie, axis=0)).mean() == pytest.approx(0.0142, abs=5e-5)


def test_synthetic_movie_is_smooth_between_neighbouring_pixels(published_like) -> None:
    """White noise of this spread would differ by 0.33 from pixel to pixel."""
    for axis in (1, 2):
        assert np.abs(np.diff(published_like, axis=axis)).mean() < 0.08


def test_seed_decides_the_movie() -> None:
    config = SyntheticMovie(n_frames=40, frame_difference=0.06)
    first, again, other = (synthetic_movie(config, shape=(6, 8), seed=s) for s in (1, 1, 2))

    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 0.1


def test_impossible_difference_between_frames_is_refused_with_what_is_possible() -> None:
    config = SyntheticMovie(n_frames=12, frame_difference=0.001)

    with pytest.raises(ValueError, match=r"0\.001 cannot be had with 12 frames .* is possible"):
        synthetic_movie(config, shape=(6, 6), seed=0)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 1.5, (5, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif"])
def test_movie_survives_a_file(suffix, frames, tmp_path) -> None:
    path = tmp_path / f"movie{suffix}"
    if suffix == ".tif":
        first, *others = [Image.fromarray(frame) for frame in frames]
        first.save(path, save_all=True, append_images=others)
    elif suffix == ".npz":
        np.savez(path, movie=frames)
    else:
        np.save(path, frames)

    np.testing.assert_array_equal(read_movie(path, shape=(3, 4)), frames)


def test_quarter_turns_turn_every_frame(frames, tmp_path) -> None:
    square = frames[:, :3, :3]
    np.save(tmp_path / "movie.npy", square)
    source = {"kind": "file", "path": str(tmp_path / "movie.npy"), "quarter_turns": 3}
    config = MovieInput.model_validate({"kind": "movie", "shape": [3, 3], "source": source})

    turned = make_movie(config, seed=0)

    for frame, expected in zip(turned, square, strict=True):
        np.testing.assert_array_equal(frame, np.rot90(expected, 3))


def test_movie_of_another_shape_is_refused_with_both_shapes(frames, tmp_path) -> None:
    np.save(tmp_path / "movie.npy", frames)

    with pytest.raises(ValueError, match=r"shape \(5, 3, 4\), expected \(frames, 32, 32\)"):
        read_movie(tmp_path / "movie.npy", shape=(32, 32))


def test_movie_with_a_value_that_is_not_finite_is_refused_with_its_place(frames, tmp_path) -> None:
    frames[3, 1, 2] = np.nan
    frames[4, 0, 0] = np.inf
    np.save(tmp_path / "movie.npy", frames)

    with pytest.raises(ValueError, match=r"2 of 5 frames .* nan at frame 3, row 1, column 2"):
        read_movie(tmp_path / "movie.npy", shape=(3, 4))


def test_damaged_tiff_is_refused(tmp_path) -> None:
    (tmp_path / "movie.tif").write_bytes(b"II*\0 no picture")

    with pytest.raises(ValueError, match=r"movie\.tif cannot be read as TIFF"):
        read_movie(tmp_path / "movie.tif", shape=(3, 4))


def test_statistics_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"std = 0\.6 must be below 0\.4818"):
        SyntheticMovie(std=0.6)
    with pytest.raises(ValueError, match=r"mean = 2 must lie between low = 0\.5 and high"):
        SyntheticMovie(mean=2)
