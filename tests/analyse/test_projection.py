"""The map of update functions; compiled code is slower to make than to do without here."""

import os
import subprocess
import sys

import numpy as np

from neuralgnn.analyse.projection import project_curves

SCRIPT = """
import sys
import numpy as np
from neuralgnn.analyse.projection import project_curves

assert "numba" not in sys.modules, "compiled for those who map nothing"

rng = np.random.default_rng(0)
curves = np.linspace(-9, 9, 30) * np.repeat([1.0, 2.0], 12)[:, None]
curves += 0.01 * rng.standard_normal(curves.shape)
one, other = (
    project_curves(curves, n_neighbors=8, min_dist=0.1, seed=0, n_epochs=20) for _ in "ab"
)
np.testing.assert_array_equal(one, other)
centre = one.reshape(2, 12, 2).mean(axis=1)
spread = np.abs(one.reshape(2, 12, 2) - centre[:, None]).max()
print(np.linalg.norm(centre[0] - centre[1]) > 2 * spread)
"""


def test_groups_are_apart_and_the_same_curves_give_the_same_map() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=False,
    )
    assert run.stdout.split() == ["True"], run.stderr


def test_too_few_neurons_for_a_map_are_no_error() -> None:
    placed = project_curves(np.zeros((19, 5)), n_neighbors=50, min_dist=0.1, seed=0)
    assert placed.shape == (19, 2)
    assert np.isnan(placed).all()
