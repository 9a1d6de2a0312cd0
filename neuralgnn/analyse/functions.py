r"""Learned against true functions of activity. Axes: T frames, N neurons, S senders, G points.

The relative error of a learned function f against the true one,

.. math:: \left( \langle (f - f^*)^2 \rangle / \langle f^{*2} \rangle \right)^{1/2},

averages over the visited range, from a small quantile of the activity to its mirror image:

* weighted by how often the activity is there (the headline), by points at evenly spaced
  *quantiles*;
* uniformly (``…_uniform``), by points at evenly spaced *activities*.

Both functions are in the canonical gauge. phi_i is averaged over the range of neuron i's own
activity: elsewhere it was never seen and is extrapolated from neurons of the same type.
"""

__all__ = [
    "functions_dataset",
    "relative_error",
    "time_constants",
    "transfer_error",
    "update_error",
]

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.gauge import Canonical, Function, visited_range
from neuralgnn.analyse.labels import about

_POINTS = 400
_RECEIVERS = 24  # towards which a psi that depends on the receiver is compared
_RECEIVERS_PER_TYPE = 5  # that a type's transfer functions are the median of
_MARGIN = 0.05  # of the visited range, shown beyond its ends
_OUTER = 0.2  # share of the visited range, at either end, that the decay is read from


def relative_error(
    learned: Float[np.ndarray, "G S"], true: Float[np.ndarray, "G S"]
) -> Float[np.ndarray, " S"]:
    """Relative L2 error of each column; NaN where the true function is zero throughout."""
    size = (true**2).sum(axis=0)
    error = ((learned - true) ** 2).sum(axis=0)
    return np.sqrt(np.divide(error, size, out=np.full(len(size), np.nan), where=size > 0))


def update_error(
    fitted: Canonical, true: Canonical, activity: Float[np.ndarray, "T N"], *, quantile: float
) -> dict[str, float]:
    """Relative error of phi: mean over neurons, and the ``worst`` neuron's.

    Args:
        fitted: The model in the canonical gauge.
        true: The truth in the same gauge.
        activity: Sample of the visited activity.
        quantile: The visited range ends at this quantile and its mirror image.
    """
    weighted, uniform = _points(activity, per_sender=True, quantile=quantile)
    errors = relative_error(fitted.update(weighted), true.update(weighted))
    even = relative_error(fitted.update(uniform), true.update(uniform))
    return {
        "update_error": float(errors.mean()),
        "update_error_worst": float(errors.max()),
        "update_error_uniform": float(even.mean()),
    }


def transfer_error(
    fitted: Canonical, true: Canonical, activity: Float[np.ndarray, "T N"], *, quantile: float
) -> dict[str, float]:
    """Relative error of psi: mean over senders (and receivers), and the ``worst``.

    If psi depends on the receiver in either description, senders are compared towards some
    receivers, evenly spread over all neurons.

    Args:
        fitted: The model in the canonical gauge.
        true: The truth in the same gauge.
        activity: Sample of the visited activity.
        quantile: The visited range ends at this quantile and its mirror image.
    """
    per_sender = max(len(fitted.gauge.scale), len(true.gauge.scale)) > 1
    weighted, uniform = _points(activity, per_sender=per_sender, quantile=quantile)
    receivers = _some_receivers(fitted, true)
    errors, even = (
        np.stack(
            [relative_error(fitted.transfer_to(i, x), true.transfer_to(i, x)) for i in receivers]
        )
        for x in (weighted, uniform)
    )
    return {
        "transfer_error": float(errors.mean()),
        "transfer_error_worst": float(errors.max()),
        "transfer_error_uniform": float(even.mean()),
    }


def _some_receivers(fitted: Canonical, true: Canonical) -> list[int]:
    """Neurons towards which transfer functions are compared; one where all are alike."""
    n_neurons = len(fitted.weight)
    if fitted.toward is None and true.toward is None:
        return [0]
    return np.linspace(0, n_neurons - 1, min(_RECEIVERS, n_neurons)).astype(int).tolist()


def time_constants(
    update: Function, activity: Float[np.ndarray, "T N"]
) -> Float[np.ndarray, " N"]:
    r"""Time constant of every neuron, read off the outer slope of phi [time unit].

    Where a neuron's coupling to itself saturates, :math:`\phi_i = -x / \tau_i + const`: a line
    with one slope and an intercept for either end is fitted to phi over the outermost fifth of
    the visited range at both ends. The same is done to the true phi, so that what does not quite
    saturate is the same in both. Where the slope is not negative there is no time constant: NaN.

    Args:
        update: phi of every neuron, column by column.
        activity: Sample of the visited activity.
    """
    low, high = visited_range(activity, per_sender=True)
    outer = _OUTER * (high - low)
    numerator, denominator = np.zeros(len(low)), np.zeros(len(low))
    for start, stop in ((low, low + outer), (high - outer, high)):
        x = np.linspace(start, stop, 50)
        centred = x - x.mean(axis=0)
        numerator += (centred * update(x)).sum(axis=0)
        denominator += (centred**2).sum(axis=0)
    slope = numerator / denominator
    return np.divide(-1.0, slope, out=np.full(len(slope), np.nan), where=slope < 0)


def functions_dataset(
    fitted: Canonical,
    activity: Float[np.ndarray, "T N"],
    *,
    quantile: float,
    n_points: int,
    time_unit: str,
    true: Canonical | None = None,
    types: Int[np.ndarray, " N"] | None = None,
) -> xr.Dataset:
    """Functions on a common grid over the visited range, as stored in ``functions.zarr``.

    Args:
        fitted: The model in the canonical gauge.
        activity: Sample of the visited activity.
        quantile: The visited range ends at this quantile and its mirror image.
        n_points: Points of the grid G.
        time_unit: The recording's unit of time.
        true: The truth in the same gauge.
        types: True types; the true functions are given once per type, and if senders have their
            own, ``transfer_unit``: what each sender's has to be multiplied by to be drawn over
            that of its type, as the gauge goes by the range that the sender itself visits.
    """
    (low,), (high,) = visited_range(activity, per_sender=False, quantile=quantile)
    room = _MARGIN * (high - low)
    grid = np.linspace(low - room, high + room, n_points)
    rate = f"activity/{time_unit}"
    own_low, own_high = visited_range(activity, per_sender=True, quantile=quantile)
    dataset = xr.Dataset(
        {
            "learned_update": _curves(
                "neuron", fitted.update_curves(grid), "learned update", rate
            ),
            "learned_transfer": _curves(
                "sender", fitted.transfer_curves(grid), "learned transfer", "1"
            ),
            "density": (
                "activity",
                _density(activity, grid),
                {"long_name": "density of the visited activity", "units": "1/activity"},
            ),
            "neuron_low": ("neuron", own_low, about("low end of visited range", "activity")),
            "neuron_high": ("neuron", own_high, about("high end of visited range", "activity")),
        },
        coords={"activity": ("activity", grid, about("activity x", "activity"))},
        attrs={"visited_low": float(low), "visited_high": float(high)},
    )
    if true is not None and types is not None:
        update, transfer = true.update_curves(grid), true.transfer_curves(grid)
        dataset["true_update"] = _curves("type", _per_type(update, types), "true update", rate)
        dataset["true_transfer"] = _curves(
            "type", _per_type(transfer, types), "true transfer", "1"
        )
        if len(transfer) > 1:
            dataset["transfer_unit"] = (("sender",), *_units(transfer, types))
        if fitted.toward is not None or true.toward is not None:
            curves = _pair_curves(fitted, grid, types)
            dataset["learned_pair_transfer"] = _pairs("sender", curves, "learned transfer")
            curves = _pair_curves(true, grid, types)
            each = np.stack([_per_type(towards, types) for towards in curves])
            dataset["true_pair_transfer"] = _pairs("type", each, "true transfer")
            units = [_units(towards, types) for towards in curves]
            dataset["pair_transfer_unit"] = (
                ("receiver_type", "sender"),
                np.stack([values for values, _ in units]),
                units[0][1],
            )
        dataset = dataset.assign_coords(
            type=("neuron", types.astype(np.int64), about("true type", "1"))
        )
    return dataset


def _pair_curves(
    description: Canonical, grid: Float[np.ndarray, " G"], types: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "K N G"]:
    """Psi of every sender towards each type: the median of a few receivers of the type."""
    x = np.repeat(grid[:, None], len(types), axis=1)
    curves = []
    for kind in np.unique(types):
        members = np.flatnonzero(types == kind)
        few = members[:: -(-len(members) // _RECEIVERS_PER_TYPE)]
        towards = [description.transfer_to(i, x) for i in few.tolist()]
        curves.append(np.median(towards, axis=0).T)
    return np.stack(curves)


def _pairs(
    dim: str, values: Float[np.ndarray, "K S G"], title: str
) -> tuple[tuple[str, str, str], Float[np.ndarray, "K S G"], dict[str, str]]:
    attrs = about(f"{title} function by type of receiver", "1")
    return ("receiver_type", dim, "activity"), values.astype(np.float32), attrs


def _points(
    activity: Float[np.ndarray, "T N"], *, per_sender: bool, quantile: float
) -> tuple[Float[np.ndarray, "G S"], Float[np.ndarray, "G S"]]:
    """Points of the visited range at even quantiles, and at even activities."""
    levels = quantile + (1 - 2 * quantile) * (np.arange(_POINTS) + 0.5) / _POINTS
    low, high = visited_range(activity, per_sender=per_sender, quantile=quantile)
    weighted = np.quantile(activity, levels, axis=0 if per_sender else None)
    return weighted.reshape(_POINTS, -1).astype(np.float64), np.linspace(low, high, _POINTS)


def _per_type(
    curves: Float[np.ndarray, "S G"], types: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "K G"]:
    """Median over the neurons of a type: they differ by absorbed offsets and own scales only."""
    kinds = np.unique(types)
    if len(curves) == 1:
        return np.repeat(curves, len(kinds), axis=0)
    return np.stack([np.median(curves[types == kind], axis=0) for kind in kinds])


def _units(
    curves: Float[np.ndarray, "N G"], types: Int[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " N"], dict[str, str]]:
    """Factor that takes each neuron's function to the median of its type, and what it is."""
    _, kind = np.unique(types, return_inverse=True)
    median = _per_type(curves, types)[kind]
    size = (curves**2).sum(axis=1)
    unit = np.divide((curves * median).sum(axis=1), size, out=np.ones(len(size)), where=size > 0)
    return unit.astype(np.float32), about("unit of the median of the type", "1")


def _density(
    activity: Float[np.ndarray, "T N"], grid: Float[np.ndarray, " G"]
) -> Float[np.ndarray, " G"]:
    """Share of the activity per unit in the bin around each point of an even grid."""
    half = (grid[1] - grid[0]) / 2
    edges = np.append(grid - half, grid[-1] + half)
    return np.histogram(activity, edges)[0] / (activity.size * 2 * half)


def _curves(
    dim: str, values: Float[np.ndarray, "S G"], title: str, units: str
) -> tuple[tuple[str, str], Float[np.ndarray, "S G"], dict[str, str]]:
    return (dim, "activity"), values.astype(np.float32), about(f"{title} function", units)
