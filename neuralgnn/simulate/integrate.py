"""Fixed-step integration of stochastic rate equations. Axes: T frames, N neurons."""

__all__ = ["euler_maruyama"]

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


@torch.inference_mode()
def euler_maruyama(
    drift: Callable[[Tensor], Tensor],
    x: Float[Tensor, " N"],
    *,
    dt: float,
    activity: Float[Tensor, "T N"],
    rate: Float[Tensor, "T N"] | None = None,
    step_std: float = 0.0,
    generator: torch.Generator | None = None,
    first_frame: int = 0,
) -> Float[Tensor, " N"]:
    r"""Fills a block of frames and returns the activity at the frame after it.

    .. math:: x_{t+1} = x_t + f(x_t)\,\Delta t + \varsigma \xi_t, \quad \xi_t \sim N(0, 1)

    With :math:`\varsigma = \sigma \sqrt{\Delta t}` this is Euler-Maruyama, of strong order 1 as
    the noise is additive (Kloeden & Platen 1992, section 10.2); with :math:`\varsigma = 0`,
    explicit Euler. The stored rate is the very :math:`f(x_t)` that advances the state. Noise is
    drawn frame by frame: the sequence does not depend on the length of blocks.

    Args:
        drift: f, from activity to its rate of change [activity/time unit].
        x: Activity at the block's first frame.
        dt: Time from one frame to the next [time unit].
        activity: Filled with the activity of each frame, the first being ``x``.
        rate: Filled with f at each frame [activity/time unit]; None: not kept.
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
    states = [*activity.unbind(0), torch.empty_like(x)]  # each step writes into the next frame
    rates = None if rate is None else rate.unbind(0)
    states[0].copy_(x)
    for frame, (x, x_next) in enumerate(pairwise(states)):
        dxdt = drift(x)
        torch.add(x, dxdt, alpha=dt, out=x_next)
        if noise is not None:
            x_next += noise[frame]
        if rates is not None:
            rates[frame].copy_(dxdt)
    _check_finite(activity, states[-1], dt=dt, first_frame=first_frame)
    return states[-1]


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
