r"""Free-running predictions. Axes: S starts, F frames, N neurons.

Model and truth are integrated from the same held-out states by explicit Euler, without noise,

.. math:: x_{t+1} = x_t + \Delta t\, f(x_t),

and compared frame by frame over neurons. The networks are chaotic: two descriptions that differ
by a rate r part like :math:`\dot\varepsilon = \lambda \varepsilon + r`, with the Lyapunov
exponent :math:`\lambda`, so

.. math:: \varepsilon(t) = r\,(e^{\lambda t} - 1) / \lambda .

The *horizon* is the frame at which this reaches :math:`\sqrt{1 - 0.5}` of the spread of activity
over neurons, that is R² = 0.5, with r the root mean squared error of the predicted rate of
change on held-out frames. It is a scale, not a bound: errors that do not point along the fastest
growing direction grow more slowly.
"""

__all__ = [
    "frame_r2",
    "horizon_frames",
    "learned_drift",
    "lyapunov_exponents",
    "published_fit",
    "rollout",
    "rollout_dataset",
    "start_frames",
]

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float32, Int
from torch import Tensor

from neuralgnn.analyse.labels import about
from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.place import one_thread

Drift = Callable[..., Tensor]
"""Rate of change of states; of a driven network, of states and their frames of the recording."""

_ONE_THREAD = 2000  # neurons


def learned_drift(model: AssemblyGNN, *, offset: Float[Tensor, " N"] | None = None) -> Drift:
    """The model's rate of change as a function; quicker than the model over many steps.

    Args:
        model: The model; later changes of its weights are not seen.
        offset: Added to every neuron's rate [activity/time unit].
    """
    with torch.no_grad():
        connectivity = model.connectivity().T.contiguous()

    def drift(
        x: Float[Tensor, "S N"], frames: Int[np.ndarray, " S"] | None = None
    ) -> Float[Tensor, "S N"]:
        if model.field is not None:
            at = None if frames is None else torch.from_numpy(np.asarray(frames))
            inflow = model.inflow(x, connectivity=connectivity)
            rate = model.self_update(x) + model.driven(inflow, at)
        elif model.transfer_input == "pair":
            rate = model.self_update(x) + model.inflow(x, connectivity=connectivity)
        else:
            rate = torch.addmm(model.self_update(x), model.sent(x), connectivity)
        return rate if offset is None else rate + offset

    return drift


@torch.no_grad()
def rollout(
    drift: Drift,
    x0: Float[Tensor, "S N"],
    *,
    n_frames: int,
    dt: float,
    starts: Int[np.ndarray, " S"] | None = None,
) -> Float32[np.ndarray, "S F N"]:
    """Integrates from every start; frame 0 is the start, F is ``n_frames + 1``.

    Activity that diverges is kept as it comes, infinite or not a number.

    Args:
        drift: Rate of change [activity/time unit].
        x0: Starts.
        n_frames: Steps.
        dt: Length of a step [time unit].
        starts: Frame of the recording that each start is at, of a driven network.
    """
    frames = torch.empty(len(x0), n_frames + 1, x0.shape[1], device=x0.device)
    x = x0
    frames[:, 0] = x
    with _threads_for(x0):
        for frame in range(1, n_frames + 1):
            at = () if starts is None else (starts + frame - 1,)
            x = x + dt * drift(x, *at)
            frames[:, frame] = x
    return frames.cpu().numpy()


def start_frames(held_out: range, *, n_starts: int, n_frames: int) -> Int[np.ndarray, " S"]:
    """Evenly spaced frames of the held-out stretch that leave room for a whole rollout.

    Raises:
        ValueError: If the stretch is shorter than a rollout.
    """
    last = len(held_out) - 1 - n_frames
    if last < 0:
        raise ValueError(
            f"{len(held_out)} frames are held out, too few for a rollout of {n_frames} frames; "
            "set a larger validation_fraction or a smaller rollout.n_frames"
        )
    starts = held_out.start + np.linspace(0, last, n_starts).round().astype(np.int64)
    return np.unique(starts)


def frame_r2(
    learned: Float[np.ndarray, "S F N"], true: Float[np.ndarray, "S F N"]
) -> Float[np.ndarray, "S F"]:
    """1 - SSE / SST over neurons at every frame; -inf where the prediction has diverged."""
    r2 = np.empty(learned.shape[:2])
    for start in range(len(learned)):  # one at a time: double precision of all would be large
        reference = true[start].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            error = ((learned[start].astype(np.float64) - reference) ** 2).sum(axis=1)
            total = ((reference - reference.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
            r2[start] = np.where(np.isfinite(error), 1 - error / total, -np.inf)
    return r2


def published_fit(
    learned: Float[np.ndarray, " N"], true: Float[np.ndarray, " N"]
) -> tuple[float, float]:
    """R² and slope of learned on true activity at one frame, as published.

    The line is fitted to neurons within three standard deviations of the median on both axes;
    its R² is taken over all neurons. Source: published code of Allier et al. 2026.
    NaN where the prediction has diverged or no line exists.
    """
    x, y = true.astype(np.float64), learned.astype(np.float64)
    if not np.isfinite(y).all() or np.abs(y).max() > 1e10:
        return float("nan"), float("nan")
    near = [np.abs(v - np.median(v)) < 3 * v.std() for v in (x, y)]
    kept = near[0] & near[1]
    if kept.sum() < 2 or x[kept].std() == 0:
        return float("nan"), float("nan")
    centred = x[kept] - x[kept].mean()
    slope = float((centred * y[kept]).sum() / (centred**2).sum())
    intercept = y[kept].mean() - slope * x[kept].mean()
    residual = ((y - slope * x - intercept) ** 2).sum()
    return float(1 - residual / ((y - y.mean()) ** 2).sum()), slope


@torch.no_grad()
def lyapunov_exponents(
    drift: Drift,
    x0: Float[Tensor, "S N"],
    *,
    dt: float,
    n_frames: int,
    discard: float = 0.2,
    starts: Int[np.ndarray, " S"] | None = None,
) -> Float[np.ndarray, " S"]:
    """Largest Lyapunov exponent along the trajectory from every start [1/time unit].

    Two trajectories a hundred millionth of the activity's size apart, brought back to that
    distance every ten frames (Benettin et al. 1980). The first part is discarded: there the
    difference still turns into the fastest growing direction.

    Args:
        drift: Rate of change in double precision.
        x0: Starts, float64: single precision would be all rounding error.
        dt: Length of a step [time unit].
        n_frames: Frames in all.
        discard: Share of the frames that is discarded.
        starts: Frame of the recording that each start is at, of a driven network.

    Raises:
        ValueError: If the starts are not in double precision.
    """
    if x0.dtype != torch.float64:
        raise ValueError(f"starts are {x0.dtype}; a Lyapunov exponent needs torch.float64")
    every = 10
    n_periods = max(1, n_frames // every)
    distance = 1e-8 * (x0.norm(dim=1, keepdim=True) + 1e-300)
    generator = torch.Generator().manual_seed(0)
    step = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
    near = x0 + step * (distance / step.norm(dim=1, keepdim=True))
    both = torch.stack([x0, near])  # (2, S, N)
    growth = torch.zeros(n_periods, len(x0), dtype=x0.dtype, device=x0.device)
    with _threads_for(x0):
        for period in range(n_periods):
            for step_number in range(every):
                frame = period * every + step_number
                at = () if starts is None else (np.tile(starts + frame, 2),)
                both = both + dt * drift(both.flatten(0, 1), *at).view_as(both)
            step = both[1] - both[0]
            length = step.norm(dim=1, keepdim=True).clamp_min(1e-300)
            growth[period] = (length / distance).log().squeeze(1)
            both[1] = both[0] + step * (distance / length)
    kept = growth[int(discard * n_periods) :]
    return (kept.mean(dim=0) / (every * dt)).cpu().numpy()


def horizon_frames(
    rate_error: float, *, spread: float, lyapunov: float, dt: float, r2: float = 0.5
) -> float:
    """Frame at which the module's error equation reaches an R² over neurons.

    Args:
        rate_error: r, root mean squared error of the rate of change [activity/time unit].
        spread: Standard deviation of activity over neurons.
        lyapunov: Largest Lyapunov exponent [1/time unit].
        dt: Length of a step [time unit].
        r2: The R² that is reached.

    Returns:
        Frames from the start; infinite if the error vanishes or stays below that size.
    """
    if rate_error <= 0:
        return float("inf")
    reached = np.sqrt(1 - r2) * spread / rate_error  # time it takes without growth
    if abs(lyapunov) * reached < 1e-9:
        return float(reached / dt)
    if 1 + lyapunov * reached <= 0:
        return float("inf")
    return float(np.log1p(lyapunov * reached) / (lyapunov * dt))


def rollout_dataset(
    learned: Float32[np.ndarray, "S F N"],
    true: Float32[np.ndarray, "S F N"],
    *,
    starts: Int[np.ndarray, " S"],
    report_frames: Sequence[int],
    dt: float,
    time_unit: str,
) -> xr.Dataset:
    """Rollouts and their scores as stored in ``rollout.zarr``.

    Args:
        learned: Predicted activity.
        true: Activity of the reference from the same starts.
        starts: Frames of the recording that rollouts started from.
        report_frames: Frames at which the published fit is made.
        dt: Time between frames [time unit].
        time_unit: The recording's unit of time.
    """
    frames = [frame for frame in report_frames if frame < learned.shape[1]]
    fits = np.array(
        [[published_fit(a[f], b[f]) for f in frames] for a, b in zip(learned, true, strict=True)]
    ).reshape(len(starts), len(frames), 2)
    series = ("start", "frame", "neuron")
    at_frames = ("start", "report_frame")
    return xr.Dataset(
        {
            "learned": (series, learned, about("predicted activity", "activity")),
            "true": (series, true, about("true activity", "activity")),
            "r2": (series[:2], frame_r2(learned, true), about("R² over neurons", "1")),
            "published_r2": (at_frames, fits[..., 0], about("published R²", "1")),
            "published_slope": (
                at_frames,
                fits[..., 1],
                about("published slope", "1"),
            ),
        },
        coords={
            "frame": ("frame", np.arange(learned.shape[1]), about("frame", "1")),
            "start_frame": ("start", starts, about("frame of the start", "1")),
            "report_frame": ("report_frame", np.array(frames, dtype=np.int64)),
        },
        attrs={"dt": dt, "time_unit": time_unit},
    )


def _threads_for(x0: Float[Tensor, "S N"]) -> AbstractContextManager[None]:
    """One thread for small networks.

    A step of 1000 neurons takes 3 ms; shared between two threads that wait for each other after
    every operation, it takes thirty times that on a machine with anything else to do.
    """
    return one_thread(where=x0.shape[1] <= _ONE_THREAD)
