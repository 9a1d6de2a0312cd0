import numpy as np
import pytest
import xarray as xr
from PIL import Image, ImageSequence

from neuralgnn.plot.movie import field_pictures, save_movie


@pytest.fixture
def field() -> xr.Dataset:
    random = np.random.default_rng(0)
    dims = ("frame", "row", "column")
    values = {
        f"{name}_field": (dims, random.uniform(0, 1, (6, 4, 4))) for name in ("true", "learned")
    }
    return xr.Dataset(values, coords={"frame": np.arange(6) * 100})


def test_movie_shows_true_beside_learned_frame_by_frame(field, tmp_path) -> None:
    save_movie(field_pictures(field, limits=(0, 1)), tmp_path / "field.gif", seconds=0.6)

    with Image.open(tmp_path / "field.gif") as movie:
        frames = [np.asarray(page.convert("L")) for page in ImageSequence.Iterator(movie)]
        duration = movie.info["duration"]
    assert len(frames) == 6
    assert duration == 100
    true, learned = field["true_field"].values, field["learned_field"].values
    for frame, left, right in zip(frames, true, learned, strict=True):
        # The middle of the first pixel of either picture; a GIF holds 256 levels of grey.
        assert frame[26 + 32, 12 + 32] == pytest.approx(255 * left[0, 0], abs=2)
        assert frame[26 + 32, 2 * 12 + 256 + 32] == pytest.approx(255 * right[0, 0], abs=2)


def test_same_field_gives_the_same_bytes(field, tmp_path) -> None:
    for name in ("a.gif", "b.gif"):
        save_movie(field_pictures(field, limits=(0, 1)), tmp_path / name, seconds=1)

    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_frames_are_thinned_to_the_largest_number(field) -> None:
    assert len(field_pictures(field, limits=(0, 1), n_most=3)) == 3
