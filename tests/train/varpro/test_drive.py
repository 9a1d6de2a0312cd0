from dataclasses import dataclass

import numpy as np
import pytest
import torch

from neuralgnn.train.varpro.drive import Drive, estimate_drive
from neuralgnn.train.varpro.fit import Samples
from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots

N_FRAMES = 8000


@dataclass(frozen=True)
class Driven:
    """40 neurons, the messages to nine of which are multiplied by a slow field."""

    samples: Samples
    sent: torch.Tensor
    weight: np.ndarray
    field: np.ndarray


@pytest.fixture(scope="module")
def driven() -> Driven:
    random = np.random.default_rng(0)
    weight = random.standard_normal((40, 40)) * 2.5 / 40**0.5
    np.fill_diagonal(weight, 0)
    phase = random.uniform(0, 2 * np.pi, 9)
    t = np.arange(N_FRAMES)[:, None] / N_FRAMES
    field = np.ones((N_FRAMES, 40))
    field[:, :9] = 1 + 0.5 * np.sin(2 * np.pi * 2 * t + phase)
    x, frames, rates = random.normal(scale=2, size=40), [], []
    for drive in field:
        rate = -x + np.tanh(x) + drive * (weight @ np.tanh(2 * x))
        frames.append(x)
        rates.append(rate)
        x = x + 0.02 * rate + 0.5 * random.standard_normal(40)
    kept = slice(0, None, 4)
    activity, rate = (torch.tensor(np.float32(values))[kept] for values in (frames, rates))
    samples = Samples(activity, rate, torch.arange(N_FRAMES)[kept])
    return Driven(samples, torch.tanh(2 * activity.double()), weight, field[:, :9])


def solve(driven: Driven, **settings) -> Drive:
    basis = SplineBasis(quantile_knots(driven.samples.x.numpy().ravel(), 12))
    defaults = {"n_stretches": 80, "span": range(N_FRAMES), "n_rounds": 14, "ridge": 1e-10}
    return estimate_drive(
        driven.samples, driven.sent, torch.arange(9), basis, **(defaults | settings)
    )


def r2(found: np.ndarray, true: np.ndarray) -> float:
    return 1 - np.square(found - true).sum() / np.square(true - true.mean()).sum()


def test_field_and_strength_of_weights_are_recovered(driven) -> None:
    found = solve(driven)

    field = found.at(torch.arange(N_FRAMES)).numpy()
    assert r2(field, driven.field / driven.field.mean(0)) > 0.999
    strength = np.abs(driven.weight[:9]).sum(1) * driven.field.mean(0)
    np.testing.assert_allclose(found.strength.numpy(), strength, rtol=0.01)


def test_rounds_come_nearer_by_a_third_each(driven) -> None:
    """Plain alternation, without the extrapolation, takes off a fifth."""
    early, late = (solve(driven, n_rounds=n).change for n in (3, 11))

    assert late < early * (2 / 3) ** 8


def test_start_from_an_estimate_needs_few_rounds(driven) -> None:
    first = solve(driven)

    again = solve(driven, n_rounds=1, start=first)

    assert again.change < 2 * first.change + 1e-9


def test_scale_is_a_mean_of_one_over_time(driven) -> None:
    values = solve(driven, n_rounds=3).values

    torch.testing.assert_close(values.mean(1), torch.ones(9, dtype=torch.float64))


def test_field_between_stretches_is_on_the_line_between_them(driven) -> None:
    found = solve(driven, n_rounds=1)
    centres = found.centres
    halfway = ((centres[3] + centres[4]) / 2).round().long()[None]

    expected = (found.values[:, 3] + found.values[:, 4]) / 2

    torch.testing.assert_close(found.at(halfway)[0], expected)


def test_stretch_without_samples_is_refused(driven) -> None:
    with pytest.raises(ValueError, match=r"of 3000 stretches of the field have none of the 2000"):
        solve(driven, n_stretches=3000)
