from itertools import pairwise

import pytest

from neuralgnn.train.schedule import checkpoint_steps, decay, event_steps, is_resting


def test_rates_hold_and_then_fall_along_a_cosine() -> None:
    rates = [decay(step, n_steps=100, decay_from=0.5) for step in range(1, 101)]

    assert rates[:51] == [1.0] * 51
    assert rates[75] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.002
    assert all(later < earlier for earlier, later in pairwise(rates[50:]))


def test_rates_never_fall_by_default() -> None:
    assert {decay(step, n_steps=10, decay_from=1.0) for step in range(1, 11)} == {1.0}


@pytest.mark.parametrize(
    ("n_steps", "every", "keep", "expected"),
    [
        (100, 20, 40, [20, 40, 60, 80, 100]),
        (110, 20, 40, [20, 40, 60, 80, 100, 110]),
        (100, 10, 4, [10, 40, 70, 100]),
        (100, 1000, 5, [100]),
        (1000, 1, 2, [1, 1000]),
    ],
)
def test_kept_checkpoints_are_few_spread_and_end_with_the_last(
    n_steps: int, every: int, keep: int, expected: list[int]
) -> None:
    assert checkpoint_steps(n_steps=n_steps, every=every, keep=keep) == expected


def test_events_fall_on_steps() -> None:
    assert event_steps((0.4, 0.8), n_steps=10) == {4, 8}
    assert event_steps((0.001,), n_steps=10) == {1}


def test_rest_lasts_a_tenth_of_the_steps() -> None:
    resting = [step for step in range(1, 101) if is_resting(step, {40}, n_steps=100)]

    assert resting == list(range(41, 51))
