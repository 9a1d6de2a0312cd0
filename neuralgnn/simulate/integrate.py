"""Fixed-step integration of stochastic rate equations. Axes: T frames, N neurons."""

__all__ = ["euler_maruyama"]

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

_REPLAYED = 64  # steps of a captured graph


@torch.inference_mode()
def euler_maruyama(
    drift: Callable[..., Tensor],
    x: Float[Tensor, " N"],
    *,
    dt: float,
    activity: Float[Tensor, "T N"],
    rate: Float[Tensor, "T N"] | None = None,
    inputs: Float[Tensor, "T P"] | None = None,
    step_std: float = 0.0,
    generator: torch.Generator | None = None,
    first_frame: int = 0,
) -> Float[Tensor, " N"]:
    r"""Fills a block of frames and returns the activity at the frame after it.

    .. math:: x_{t+1} = x_t + f(x_t)\,\Delta t + \varsigma \xi_t, \quad \xi_t \sim N(0, 1)

    With :math:`\varsigma = \sigma \sqrt{\Delta t}` this is Euler-Maruyama, of strong order 1 as
    the noise is additive (Kloeden & Platen 1992, section 10.2); with :math:`\varsigma = 0`,
    explicit Euler. The stored rate is the very :math:`f(x_t)` that advances the state. Noise is
    drawn frame by frame: the sequence does not depend on the length of blocks. On a GPU long
    blocks replay a captured graph of steps.

    Args:
        drift: f, from activity, and the inputs if there are any, to the rate of change of the
            activity [activity/time unit].
        x: Activity at the block's first frame.
        dt: Time from one frame to the next [time unit].
        activity: Filled with the activity of each frame, the first being ``x``.
        rate: Filled with f at each frame [activity/time unit]; None: not kept.
        inputs: What drives the network at each frame; None: nothing does.
        step_std: Standard deviation of the noise added in each step [activity].
        generator: Where the noise is drawn from, on the CPU whatever the device of ``x``.
        first_frame: Number of the block's first frame, for messages.

    Raises:
        FloatingPointError: If the activity stops being finite, naming frame and time.
    """
    noise = None
    if step_std > 0:
        noise = torch.empty(activity.shape, dtype=x.dtype)
        for row in noise:  # drawn whole, a block's tail would differ from the same frames cut
            row.normal_(0, step_std, generator=generator)
        noise = noise.to(x.device)
    start = x
    done = 0
    if x.device.type == "cuda" and len(activity) >= 2 * _REPLAYED:
        done = len(activity) // _REPLAYED * _REPLAYED
        some = (None if v is None else v[:done] for v in (rate, noise, inputs))
        start = _replay(_graph, drift, x, dt, activity[:done], *some)
    after = torch.empty_like(x)
    if done == len(activity):
        after.copy_(start)
    else:
        states = [*activity[done:].unbind(0), after]
        states[0].copy_(start)
        rest = (None if v is None else v[done:] for v in (rate, noise, inputs))
        _steps(drift, states, dt, *rest)
    _check_finite(activity, after, dt=dt, first_frame=first_frame)
    return after


def _steps(
    drift: Callable[..., Tensor],
    states: Sequence[Float[Tensor, " N"]],
    dt: float,
    rate: Float[Tensor, "T N"] | None,
    noise: Float[Tensor, "T N"] | None,
    inputs: Float[Tensor, "T P"] | None,
) -> None:
    """Fills each state from the one before it."""
    for frame, (x, x_next) in enumerate(pairwise(states)):
        dxdt = drift(x) if inputs is None else drift(x, inputs[frame])
        torch.add(x, dxdt, alpha=dt, out=x_next)
        if noise is not None:
            x_next += noise[frame]
        if rate is not None:
            rate[frame].copy_(dxdt)


def _replay(
    record: Callable[[Callable[[], None]], Callable[[], None]],
    drift: Callable[..., Tensor],
    x: Float[Tensor, " N"],
    dt: float,
    activity: Float[Tensor, "T N"],
    rate: Float[Tensor, "T N"] | None,
    noise: Float[Tensor, "T N"] | None,
    inputs: Float[Tensor, "T P"] | None = None,
) -> Float[Tensor, " N"]:
    """The same steps, some at a time on memory of their own, recorded once and repeated.

    A step of a small network is a handful of operations that take less time than their launch.

    Args:
        record: Gives what repeats a piece of work on the same memory.
        drift: As above.
        x: Activity at the first frame.
        dt: Time step.
        activity: Filled; a whole multiple of the steps that are recorded.
        rate: Filled.
        noise: Noise of each step.
        inputs: What drives the network at each frame.

    Returns:
        The activity at the frame after the last.
    """
    states = x.new_empty(_REPLAYED + 1, len(x))
    rates = None if rate is None else states.new_empty(_REPLAYED, len(x))
    noises = None if noise is None else states.new_zeros(_REPLAYED, len(x))
    driving = None if inputs is None else inputs[:_REPLAYED].clone()
    states[0].copy_(x)
    # What sets itself up at the first call must not be recorded.
    drift(x) if driving is None else drift(x, driving[0])
    advance = record(lambda: _steps(drift, states.unbind(0), dt, rates, noises, driving))
    states[0].copy_(x)
    for start in range(0, len(activity), _REPLAYED):
        rows = slice(start, start + _REPLAYED)
        if noise is not None and noises is not None:
            noises.copy_(noise[rows])
        if inputs is not None and driving is not None:
            driving.copy_(inputs[rows])
        advance()
        activity[rows].copy_(states[:-1])
        if rate is not None and rates is not None:
            rate[rows].copy_(rates)
        states[0].copy_(states[-1])
    return states[-1]


def _graph(work: Callable[[], None]) -> Callable[[], None]:
    """Captures work on a GPU as a graph, whose launch costs as much as that of one operation."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _check_finite(
    activity: Float[Tensor, "T N"], x: Float[Tensor, " N"], *, dt: float, first_frame: int
) -> None:
    # Once per block: on a GPU every look at a value waits for all work before it.
    if bool(torch.isfinite(activity.sum()) and torch.isfinite(x).all()):
        return
    bad = ~torch.isfinite(torch.cat([activity, x[None]]))
    if not bad.any():  # only the sum overflowed
        return
    row = int(bad.any(dim=1).nonzero()[0])
    frame = first_frame + row
    raise FloatingPointError(
        f"activity diverged at frame {frame} (t = {frame * dt:g}), neuron "
        f"{int(bad[row].nonzero()[0])}: dt = {dt:g} is too long for this drift, or gains are "
        "too large for a transfer function without bound"
    )
