"""The eye's lattice in motion: what its pictures show."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from neuralgnn.plot.lattice import draw_lattice, lattice_pictures


def store() -> xr.Dataset:
    """Seven columns; light walks over them, the only cell type follows it."""
    light = np.eye(7, dtype=np.float32)
    dims = ("lattice_type", "frame", "column")
    return xr.Dataset(
        {
            "lattice_light": (("frame", "column"), light),
            "lattice_true": (dims, 2 * light[None] - 1),
            "lattice_predicted": (dims, 0 * light[None]),
            "lattice_time": ("frame", 0.02 * np.arange(7)),
            "lattice_type": ("lattice_type", np.array(["Mi1"], dtype=object)),
            "u": ("column", np.array([-1, -1, 0, 0, 0, 1, 1])),
            "v": ("column", np.array([0, 1, -1, 0, 1, -1, 0])),
        }
    )


def test_light_and_cells_are_bright_where_the_light_is() -> None:
    pictures = lattice_pictures(store())
    middle = np.asarray(pictures[3])
    (low, high), first = (40, 172), 66
    light = middle[low:high, first : first + 132]
    cell = middle[low:high, first + 142 : first + 142 + 132]

    assert len(pictures) == 7
    assert light[66, 66] == cell[66, 66] == 255
    for place in ((30, 66), (66, 30)):
        assert light[place] == cell[place] == 0
    assert (np.asarray(pictures[0]) != middle).any()
    predicted = middle[low + 142 : high + 142, first + 142 : first + 142 + 132]
    assert predicted[66, 66] == predicted[30, 66] == 128  # grey: half-way between the extremes


def test_frames_are_left_out_of_long_movies() -> None:
    assert len(lattice_pictures(store(), n_most=3)) == 3


def test_a_recording_without_a_lattice_is_refused() -> None:
    with pytest.raises(ValueError, match="has no lattice: only recordings of an eye"):
        lattice_pictures(xr.Dataset())


def test_a_panel_has_one_hexagon_per_column_between_black_and_white() -> None:
    data, ax = store(), Figure().add_subplot()
    hexagons = draw_lattice(
        ax, data["u"].values, data["v"].values, np.linspace(0, 2, 7), limits=(0, 2)
    )
    hexagons.update_scalarmappable()
    grey = hexagons.get_facecolor()[:, 0]
    corners = np.array([path.vertices[:6] for path in hexagons.get_paths()])
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=-1)

    assert grey[[0, -1]].tolist() == [0, 1] and (np.diff(grey) > 0).all()
    np.testing.assert_allclose(sides, 3**-0.5)
    distance = np.linalg.norm(corners.mean(1) - corners.mean(1)[3], axis=-1)
    np.testing.assert_allclose(np.delete(distance, 3), 1)
