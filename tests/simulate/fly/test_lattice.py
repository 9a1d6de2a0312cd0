"""Geometry of the lattice."""

import numpy as np
import pytest

from neuralgnn.simulate.fly.lattice import columns, mirrored, n_columns, places, radius, rotated


@pytest.mark.parametrize("extent", [0, 1, 2, 8, 15])
def test_columns_fill_a_hexagon(extent: int) -> None:
    uv = columns(extent)

    assert len(uv) == n_columns(extent) == len(np.unique(uv, axis=0))
    assert radius(uv).max() == extent
    assert uv[len(uv) // 2].tolist() == [0, 0]


def test_neighbours_are_one_column_apart() -> None:
    at = places(columns(3))
    distance = np.hypot(*(at[:, None] - at).transpose(2, 0, 1))
    np.fill_diagonal(distance, 9)

    assert distance.min() == pytest.approx(1)
    assert np.isclose(distance, 1).sum(axis=1).max() == 6


def test_six_turns_and_two_reflections_lead_back() -> None:
    whole = np.arange(n_columns(3))
    turned, flipped = rotated(3, 1), mirrored(3)
    six = whole
    for _ in range(6):
        six = six[turned]

    np.testing.assert_array_equal(six, whole)
    np.testing.assert_array_equal(flipped[flipped], whole)
    np.testing.assert_array_equal(rotated(3, 2), turned[turned])


@pytest.mark.parametrize("sixths", range(6))
def test_a_turn_keeps_distances_and_turns_by_its_angle(sixths: int) -> None:
    at = places(columns(3))
    angle = np.deg2rad(60 * sixths)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shown = at[rotated(3, sixths)]

    assert np.allclose(shown, at @ turn) or np.allclose(shown, at @ turn.T)
