from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from neuralgnn.simulate import integrate
from neuralgnn.simulate.integrate import euler_maruyama


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_error_falls_with_the_first_power_of_the_step() -> None:
    matrix = torch.tensor([[-1.0, 2.0], [-2.0, -0.5]], dtype=torch.float64)
    x0 = torch.tensor([1.0, -0.5], dtype=torch.float64)
    exact = expm(2.0 * matrix.numpy()) @ x0.numpy()
    n_steps = np.array([200, 400, 800, 1600])
    errors = []
    for n in n_steps:
        states = torch.empty(n, 2, dtype=torch.float64)
        x = euler_maruyama(lambda x: matrix @ x, x0, dt=2.0 / n, activity=states)
        errors.append(np.abs(x.numpy() - exact).max())

    order = -np.polyfit(np.log(n_steps), np.log(errors), 1)[0]

    assert order == pytest.approx(1, abs=0.03)


def _variance(*, dt: float, step_std: float, generator: torch.Generator) -> float:
    """Variance of dx = -x dt + noise over 20,000 independent neurons, after 10 time units."""
    n_steps = int(10 / dt)
    states = torch.empty(n_steps, 20_000)
    x = euler_maruyama(
        lambda x: -x,
        torch.zeros(20_000),
        dt=dt,
        activity=states,
        step_std=step_std,
        generator=generator,
    )
    return x.var().item()


@pytest.mark.parametrize("dt", [0.02, 0.1])
def test_stationary_variance_is_that_of_the_step(generator, dt: float) -> None:
    """x' = (1 - dt) x + s xi has the variance s^2 / (1 - (1 - dt)^2), exactly."""
    found = _variance(dt=dt, step_std=0.5, generator=generator)
    assert found == pytest.approx(0.5**2 / (1 - (1 - dt) ** 2), rel=0.03)


def test_noise_scaled_by_the_root_of_the_step_is_the_process(generator) -> None:
    """Ornstein-Uhlenbeck: var(x) = sigma^2 / 2, whatever the step."""
    found = _variance(dt=0.02, step_std=0.5 * 0.02**0.5, generator=generator)
    assert found == pytest.approx(0.5**2 / 2, rel=0.05)


def test_stored_rate_advances_the_stored_activity() -> None:
    activity, rate = torch.empty(20, 3), torch.empty(20, 3)
    x = euler_maruyama(
        torch.cos, torch.tensor([0.0, 1.0, 2.0]), dt=0.1, activity=activity, rate=rate
    )

    torch.testing.assert_close(rate, torch.cos(activity))
    torch.testing.assert_close(torch.cat([activity[1:], x[None]]), activity + 0.1 * rate)


def test_length_of_blocks_does_not_matter() -> None:
    """Neither activity nor the sequence of noise."""
    whole = torch.empty(30, 5)
    parts = torch.empty(30, 5)
    settings: dict[str, Any] = {"dt": 0.1, "step_std": 0.3}
    euler_maruyama(torch.neg, torch.ones(5), activity=whole, generator=_seeded(), **settings)
    x, generator = torch.ones(5), _seeded()
    for rows in (slice(0, 7), slice(7, 8), slice(8, 30)):
        x = euler_maruyama(torch.neg, x, activity=parts[rows], generator=generator, **settings)

    torch.testing.assert_close(parts, whole, rtol=0, atol=0)


def test_divergence_is_named_with_frame_and_time() -> None:
    """x' = x^2 from 1 at dt = 1 leaves float32 after 8 steps; frames are counted from 100."""
    with pytest.raises(FloatingPointError, match=r"frame 108 \(t = 108\), neuron 1"):
        euler_maruyama(
            torch.square,
            torch.tensor([0.0, 1.0]),
            dt=1.0,
            activity=torch.empty(20, 2),
            first_frame=100,
        )


def test_divergence_in_the_last_step_is_not_missed() -> None:
    with pytest.raises(FloatingPointError, match="frame 8 "):
        euler_maruyama(torch.square, torch.ones(1), dt=1.0, activity=torch.empty(8, 1))


def test_inputs_drive_the_frame_that_they_belong_to() -> None:
    """dx/dt = u(t) with dt = 1: activity is the sum of all inputs before."""
    inputs = torch.arange(1.0, 6.0)[:, None]
    activity, rate = torch.empty(5, 1), torch.empty(5, 1)

    after = euler_maruyama(
        lambda x, u: 0 * x + u, torch.zeros(1), dt=1.0, activity=activity, rate=rate, inputs=inputs
    )

    assert activity[:, 0].tolist() == [0, 1, 3, 6, 10] and float(after) == 15
    assert torch.equal(rate, inputs)


def test_large_but_finite_activity_is_no_divergence() -> None:
    """The sum of a block overflows float32 although no value does."""
    x = euler_maruyama(
        torch.zeros_like, torch.full((4,), 3e38), dt=1.0, activity=torch.empty(9, 4)
    )
    assert torch.equal(x, torch.full((4,), 3e38))


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize("n_frames", [128, 150])
def test_repeated_steps_are_those_of_a_plain_loop(n_frames: int, driven: bool) -> None:
    """The book-keeping of what a GPU replays, with work that is simply called again."""
    weight = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))
    inputs = torch.randn(n_frames, 5, generator=torch.Generator().manual_seed(3))

    def drift(x: torch.Tensor, shown: torch.Tensor | float = 0.0) -> torch.Tensor:
        return weight @ x.tanh() - x + shown

    def run() -> list[torch.Tensor]:
        activity, rate = torch.empty(n_frames, 5), torch.empty(n_frames, 5)
        after = euler_maruyama(
            drift,
            torch.ones(5),
            dt=0.1,
            activity=activity,
            rate=rate,
            inputs=inputs if driven else None,
            step_std=0.1,
            generator=torch.Generator().manual_seed(0),
        )
        return [activity, rate, after]

    expected = run()
    whole = n_frames // 64 * 64
    replayed = [torch.empty(whole, 5), torch.empty(whole, 5)]
    noise = torch.empty(whole, 5)
    generator = torch.Generator().manual_seed(0)
    for row in noise:
        row.normal_(0, 0.1, generator=generator)
    after = integrate._replay(
        lambda work: work,
        drift,
        torch.ones(5),
        0.1,
        *replayed,
        noise,
        inputs[:whole] if driven else None,
    )

    assert torch.equal(replayed[0], expected[0][:whole])
    assert torch.equal(replayed[1], expected[1][:whole])
    assert torch.equal(after, expected[0][whole] if whole < n_frames else expected[2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("n_frames", [128, 150])
def test_steps_replayed_on_the_gpu_are_those_of_the_cpu(n_frames: int) -> None:
    weight = torch.randn(50, 50, generator=torch.Generator().manual_seed(2)) / 50

    def run(device: str) -> torch.Tensor:
        activity, own = torch.empty(n_frames, 50, device=device), weight.to(device)
        after = euler_maruyama(
            lambda x: own @ x.tanh() - x,
            torch.ones(50, device=device),
            dt=0.1,
            activity=activity,
            step_std=0.1,
            generator=torch.Generator().manual_seed(0),
        )
        return torch.cat([activity, after[None]]).cpu()

    torch.testing.assert_close(run("cuda"), run("cpu"), rtol=1e-4, atol=1e-5)
