import numpy as np
import pytest
import torch

from neuralgnn.analyse.rollout import (
    frame_r2,
    horizon_frames,
    learned_drift,
    lyapunov_exponents,
    published_fit,
    rollout,
    rollout_dataset,
    start_frames,
)
from neuralgnn.models.assembly import AssemblyGNN

from .conftest import DT


def test_linear_decay_follows_explicit_euler() -> None:
    x0 = torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    found = rollout(lambda x: -3 * x, x0, n_frames=5, dt=0.1)
    expected = x0.numpy()[:, None] * 0.7 ** np.arange(6)[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_learned_drift_is_the_models(sample) -> None:
    model = AssemblyGNN(100, activity_scale=5.0, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.weight.fill_diagonal_(7.0)  # never used
        x = torch.tensor(sample[:7])
        expected = model(x)
        torch.testing.assert_close(learned_drift(model)(x), expected)
        torch.testing.assert_close(
            learned_drift(model, offset=torch.arange(100.0))(x), expected + torch.arange(100.0)
        )


def test_an_exact_model_reproduces_the_recorded_activity(make_model, network) -> None:
    x0 = torch.tensor(network.activity[[100, 2000]])
    found = rollout(learned_drift(make_model(offset=0.3)), x0, n_frames=200, dt=DT)
    true = np.stack([network.activity[100:301], network.activity[2000:2201]])
    assert frame_r2(found, true).min() > 0.999999


def test_frame_r2_equals_a_plain_computation() -> None:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((2, 3, 40)).astype(np.float32)
    learned = true + 0.1 * rng.standard_normal(true.shape).astype(np.float32)
    r2 = frame_r2(learned, true)
    x, y = true[1, 2].astype(float), learned[1, 2].astype(float)
    assert r2[1, 2] == pytest.approx(1 - ((y - x) ** 2).sum() / ((x - x.mean()) ** 2).sum())


def test_a_prediction_that_diverges_scores_minus_infinity() -> None:
    x0 = torch.ones(1, 3) * torch.tensor([1.0, 2.0, 3.0])
    learned = rollout(lambda x: x**3, x0, n_frames=30, dt=0.5)
    true = rollout(lambda x: 0 * x, x0, n_frames=30, dt=0.5)
    r2 = frame_r2(learned, true)
    assert r2[0, 0] == 1
    assert r2[0, -1] == -np.inf
    assert np.isnan(published_fit(learned[0, -1], true[0, -1])).all()


def test_published_fit_leaves_outliers_out_of_the_line_but_not_out_of_r2() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200)
    y = 0.9 * x + 0.01 * rng.standard_normal(200)
    y[0] = 50.0
    r2, slope = published_fit(y, x)
    kept = (np.abs(y - np.median(y)) < 3 * y.std()) & (np.abs(x - np.median(x)) < 3 * x.std())
    assert not kept[0]
    expected, intercept = np.polyfit(x[kept], y[kept], 1)
    assert slope == pytest.approx(expected)
    assert r2 == pytest.approx(1 - ((y - expected * x - intercept) ** 2).mean() / y.var())


def test_starts_are_evenly_spaced_and_leave_room() -> None:
    starts = start_frames(range(900, 1000), n_starts=4, n_frames=39)
    assert starts.tolist() == [900, 920, 940, 960]
    with pytest.raises(ValueError, match="10 frames are held out, too few for a rollout of 20"):
        start_frames(range(10), n_starts=2, n_frames=20)


def test_lyapunov_exponent_of_a_linear_system_is_its_fastest_growth() -> None:
    rates = torch.tensor([-0.1, -1.0, -2.0], dtype=torch.float64)
    x0 = torch.tensor([[1.0, 1.0, 1.0], [0.1, 5.0, -2.0]], dtype=torch.float64)
    found = lyapunov_exponents(lambda x: rates * x, x0, dt=0.01, n_frames=3000)
    np.testing.assert_allclose(found, np.log(1 - 0.01 * 0.1) / 0.01, atol=2e-3)


def test_lyapunov_exponent_of_the_lorenz_system_is_the_known_one() -> None:
    def lorenz(x):
        a, b, c = x.unbind(-1)
        return torch.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], dim=-1)

    x0 = torch.randn(24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = lyapunov_exponents(lorenz, x0 + 5, dt=0.002, n_frames=15_000)
    assert found.mean() == pytest.approx(0.906, abs=0.06)


def test_lyapunov_exponents_in_single_precision_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs torch\.float64"):
        lyapunov_exponents(lambda x: x, torch.ones(1, 2), dt=0.1, n_frames=10)


def test_the_horizon_is_where_the_error_equation_reaches_half_of_the_variance() -> None:
    frames = horizon_frames(0.01, spread=7.0, lyapunov=0.9, dt=DT)
    error = 0.0
    for _ in range(int(1e4 * frames * DT)):  # d(error)/dt = lambda error + r
        error += 1e-4 * (0.9 * error + 0.01)
    assert error == pytest.approx(np.sqrt(0.5) * 7.0, rel=2e-3)
    assert horizon_frames(0.01, spread=7.0, lyapunov=0.0, dt=DT) == pytest.approx(
        np.sqrt(0.5) * 7.0 / 0.01 / DT
    )
    assert horizon_frames(0.0, spread=7.0, lyapunov=0.9, dt=DT) == np.inf
    assert horizon_frames(0.01, spread=7.0, lyapunov=-0.9, dt=DT) == np.inf


def test_the_dataset_is_labelled_by_frame_and_start() -> None:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((2, 11, 30)).astype(np.float32)
    dataset = rollout_dataset(
        true, true, starts=np.array([5, 9]), report_frames=(4, 10, 50), dt=DT, time_unit="s"
    )
    assert dataset["learned"].dims == ("start", "frame", "neuron")
    assert dataset["report_frame"].values.tolist() == [4, 10]
    assert dataset["start_frame"].values.tolist() == [5, 9]
    assert dataset["r2"].sel(frame=10).values.tolist() == [1, 1]
    np.testing.assert_allclose(dataset["published_slope"], 1)
