r"""The one place where a model's freedom of units is fixed. Axes: M rows, N neurons, S senders.

The rate of change

.. math:: \dot x_i = \phi_i(x_i) + \sum_{j \ne i} W_{ij}\, \psi_j(x_j)

stays the same under, for every sender j with any :math:`s_j \ne 0` and :math:`o_j`,

.. math::
    \psi_j \to (\psi_j - o_j) / s_j, \qquad
    W_{ij} \to W_{ij} s_j, \qquad
    \phi_i \to \phi_i + \sum_{j \ne i} W_{ij} o_j .

So weights and functions of two descriptions can be compared only after the same choice of
:math:`s_j, o_j` in both. Ours (the *canonical gauge*):

* :math:`o_j = \psi_j(0)`: a silent neuron sends nothing;
* :math:`|s_j|` is the largest :math:`|\psi_j - o_j|` between the 1st and the 99th percentile of
  the visited activity: inside it functions are well determined, beyond it they are not;
* the sign of :math:`s_j` lets :math:`\psi_j` increase with activity (positive correlation).

If one function is shared by all senders there is one s and one o, and the percentiles are those
of all neurons together; otherwise each sender has its own, and where psi depends on the receiver
too, each pair: :math:`s_{ij}, o_{ij}`, over the activity of its sender. There is no third freedom:
the part :math:`W_{ii} \psi_i(x_i)` that could move between phi and W does not exist, W having no
diagonal.

The true description, :math:`\phi_i` and :math:`g_i W_{ij}` with :math:`\psi_{ij}`, goes through
the same functional; what its psi takes from the receiver is the receiver's type.

Where a field :math:`\Omega_i(t)` multiplies the sums, a factor may move between it and the row
:math:`W_i`: the mean of :math:`\Omega_i` over the training stretch is 1. Then psi(0) = 0 is part
of the model, as what a silent neuron sends could not move to phi.

The published procedure (median of psi on the last fifth of ±1.5 standard deviations, then a
division by the gain 10) is in :func:`published_plateau`. It assumes that psi saturates there:
for tanh(x/8) it gives a perfect model a slope of 0.959.
"""

__all__ = [
    "Canonical",
    "Gauge",
    "canonical",
    "canonical_truth",
    "find_gauge",
    "published_grid",
    "published_plateau",
    "published_weights",
    "visited_range",
]

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from neuralgnn.analyse.evaluate import pair_terms_at, transfer_at, update_at
from neuralgnn.analyse.truth import Truth
from neuralgnn.models.assembly import AssemblyGNN

_QUANTILE = 0.01
_GRID_POINTS = 2001
_GRID_POINTS_PER_SENDER = 401

Function = Callable[[Float[np.ndarray, "M S"]], Float[np.ndarray, "M S"]]
Toward = Callable[[int, Float[np.ndarray, "M S"]], Float[np.ndarray, "M S"]]


@dataclass(frozen=True)
class Gauge:
    """Scale and offset of psi that the canonical gauge takes out; one entry per sender, or one.

    Attributes:
        scale: s, what psi - o is divided by, with the sign that makes psi increase.
        offset: o, psi at zero activity.
    """

    scale: Float[np.ndarray, " S"]
    offset: Float[np.ndarray, " S"]


@dataclass(frozen=True)
class Canonical:
    """A description of the network in the canonical gauge.

    Attributes:
        weight: Effective weights W s (times the gain, where one is known), zero diagonal
            [activity/time unit].
        update: phi of every neuron, column by column, with the absorbed offset.
        transfer: psi of every sender, column by column; of one column for a shared function. If
            psi depends on the receiver, what a neuron sends to one of its own kind.
        gauge: What was taken out of this psi.
        absorbed: What phi of each neuron gained, the sum of W o [activity/time unit].
        toward: psi of every sender towards one receiver, where it depends on the receiver.
    """

    weight: Float[np.ndarray, "N N"]
    update: Function
    transfer: Function
    gauge: Gauge
    absorbed: Float[np.ndarray, " N"]
    toward: Toward | None = None

    def transfer_to(self, receiver: int, x: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
        """Evaluates psi of every sender towards a receiver."""
        return self.transfer(x) if self.toward is None else self.toward(receiver, x)

    def update_curves(self, grid: Float[np.ndarray, " G"]) -> Float[np.ndarray, "N G"]:
        """Evaluates phi of every neuron on a common grid of activity."""
        return self.update(np.repeat(grid[:, None], len(self.weight), axis=1)).T

    def transfer_curves(self, grid: Float[np.ndarray, " G"]) -> Float[np.ndarray, "S G"]:
        """Evaluates psi of every sender on a common grid; one row for a shared function."""
        return self.transfer(np.repeat(grid[:, None], len(self.gauge.scale), axis=1)).T


def canonical(
    model: AssemblyGNN,
    activity: Float[np.ndarray, "T N"],
    *,
    per_sender: bool | None = None,
    drive: Float[np.ndarray, " N"] | float = 1.0,
) -> Canonical:
    """Brings a fitted model to the canonical gauge.

    Args:
        model: The model; it is not changed.
        activity: Sample of the visited activity, for its percentiles.
        per_sender: Whether each sender has a scale of its own; None: if the model's psi depends
            on the sender. To be set where the *other* description depends on it.
        drive: Mean over time of the field that multiplies each neuron's messages.
    """
    if model.transfer_input == "pair":
        return _canonical_pair(model, activity)
    per_sender = model.transfer_input == "sender" if per_sender is None else per_sender

    def transfer(x: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
        return transfer_at(model, x)

    gauge = find_gauge(transfer, *visited_range(activity, per_sender=per_sender))
    weight = model.weight.detach().cpu().numpy().astype(np.float64)
    np.fill_diagonal(weight, 0.0)
    weight *= np.reshape(drive, (-1, 1))
    absorbed = weight @ np.broadcast_to(gauge.offset, len(weight))
    weight *= gauge.scale
    return Canonical(
        weight,
        update=lambda x: update_at(model, x) + absorbed,
        transfer=lambda x: (transfer(x) - gauge.offset) / gauge.scale,
        gauge=gauge,
        absorbed=absorbed,
    )


def _canonical_pair(model: AssemblyGNN, activity: Float[np.ndarray, "T N"]) -> Canonical:
    """A model whose psi depends on the receiver: scale and offset of every pair."""
    low, high = visited_range(activity, per_sender=True)
    rest = np.zeros((1, len(low)))
    grid = np.linspace(low, high, _GRID_POINTS_PER_SENDER)
    shares, terms = pair_terms_at(model, np.concatenate([rest, grid]))

    def gauge_of(receiver: int) -> Gauge:
        values = np.tensordot(shares[receiver], terms, axes=1)  # (1 + G, N)
        return _gauge_of(grid, values[1:], rest=values[0])

    weight = model.weight.detach().cpu().numpy().astype(np.float64)
    np.fill_diagonal(weight, 0.0)
    absorbed = np.zeros(len(weight))
    for receiver, row in enumerate(weight):
        gauge = gauge_of(receiver)
        absorbed[receiver] = row @ gauge.offset
        row *= gauge.scale
    own = find_gauge(lambda x: transfer_at(model, x), low, high)
    latest: list[np.ndarray] = []  # activity, and what its senders send

    def toward(receiver: int, x: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
        if not latest or latest[0] is not x:  # many receivers are asked for in turn
            latest[:] = [x, pair_terms_at(model, x)[1]]
        gauge = gauge_of(receiver)
        values = np.tensordot(shares[receiver], latest[1], axes=1)
        return (values - gauge.offset) / gauge.scale

    return Canonical(
        weight,
        update=lambda x: update_at(model, x) + absorbed,
        transfer=lambda x: (transfer_at(model, x) - own.offset) / own.scale,
        gauge=own,
        absorbed=absorbed,
        toward=toward,
    )


def canonical_truth(
    truth: Truth,
    activity: Float[np.ndarray, "T N"],
    *,
    per_sender: bool | None = None,
    drive: Float[np.ndarray, " N"] | float = 1.0,
) -> Canonical:
    """Brings the true network to the canonical gauge; the same functional as for a model.

    Args:
        truth: What the simulation knows.
        activity: The same sample of activity that the model was brought to the gauge with.
        per_sender: Whether each sender has a scale of its own; None: if the true psi depends on
            the sender.
        drive: Mean over time of the field that multiplies each neuron's messages.
    """
    per_sender = truth.kind != "shared" if per_sender is None else per_sender
    low, high = visited_range(activity, per_sender=per_sender)
    weight = truth.weight * (truth.gain * drive)[:, None]
    np.fill_diagonal(weight, 0.0)
    absorbed = np.zeros(len(weight))
    receivers = range(truth.n_types) if truth.kind == "pair" else (0,)
    gauges = [
        find_gauge(lambda x, k=k: truth.transfer(x, receiver=k), low, high) for k in receivers
    ]
    for k, gauge in zip(receivers, gauges, strict=True):
        rows = truth.types == k if truth.kind == "pair" else np.ones(len(weight), dtype=bool)
        absorbed[rows] = weight[rows] @ np.broadcast_to(gauge.offset, len(weight))
        weight[rows] *= gauge.scale
    own = find_gauge(truth.transfer, low, high) if truth.kind == "pair" else gauges[0]

    def toward(receiver: int, x: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
        kind = int(truth.types[receiver])
        return (truth.transfer(x, receiver=kind) - gauges[kind].offset) / gauges[kind].scale

    return Canonical(
        weight,
        update=lambda x: truth.update(x) + absorbed,
        transfer=lambda x: (truth.transfer(x) - own.offset) / own.scale,
        gauge=own,
        absorbed=absorbed,
        toward=toward if truth.kind == "pair" else None,
    )


def visited_range(
    activity: Float[np.ndarray, "T N"], *, per_sender: bool, quantile: float = _QUANTILE
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Low and high percentile of the activity, of all neurons together or of each.

    Raises:
        ValueError: If the activity does not vary.
    """
    levels = [quantile, 1 - quantile]
    ends = np.quantile(activity, levels, axis=0 if per_sender else None)
    low, high = ends.astype(np.float64).reshape(2, -1)
    if not np.all(low < high):
        raise ValueError(
            f"activity of {np.count_nonzero(~(low < high))} of {len(low)} neurons does not vary; "
            "a scale of psi cannot be told. Were silent neurons dropped?"
        )
    return low, high


def find_gauge(
    transfer: Function, low: Float[np.ndarray, " S"], high: Float[np.ndarray, " S"]
) -> Gauge:
    """Scale and offset of each sender's psi on its visited range.

    A function that is constant there has no scale; it keeps its unit, s = 1.
    """
    n_points = _GRID_POINTS if len(low) == 1 else _GRID_POINTS_PER_SENDER
    grid = np.linspace(low, high, n_points)  # (G, S)
    offset = transfer(np.zeros((1, len(low))))[0]
    return _gauge_of(grid, transfer(grid), rest=offset)


def _gauge_of(
    grid: Float[np.ndarray, "G S"],
    values: Float[np.ndarray, "G S"],
    *,
    rest: Float[np.ndarray, " S"],
) -> Gauge:
    """Gauge of functions tabulated on the visited range of each sender, and at rest."""
    offset = rest
    values = values - offset
    scale = np.abs(values).max(axis=0)
    increase = ((grid - grid.mean(axis=0)) * (values - values.mean(axis=0))).sum(axis=0)
    scale = np.where(scale > 1e-12 * (1 + np.abs(offset)), scale, 1.0)
    return Gauge(np.where(increase < 0, -scale, scale), offset)


def published_weights(
    model: AssemblyGNN,
    activity: Float[np.ndarray, "T N"],
    *,
    method: Literal["median", "max"] = "median",
    gain: float = 10.0,
) -> Float[np.ndarray, "N N"]:
    """Learned weights as the published code corrects them: W p / gain.

    Compare with the true W, not with the effective weights. Of a psi that depends on the receiver
    too, p is that of what a neuron sends to one of its own kind.
    Source: published code of Allier et al. 2026, ``apply_weight_correction``.

    Args:
        model: The model.
        activity: All or a sample of the activity, for its standard deviation.
        method: How p is read off psi, see :func:`published_plateau`.
        gain: The gain that the published code divides by, whatever the true one.
    """
    n_senders = 1 if model.transfer_input == "activity" else model.n_neurons
    grid = published_grid(activity)
    plateau = published_plateau(
        transfer_at(model, np.repeat(grid[:, None], n_senders, axis=1)), method=method
    )
    weight = model.weight.detach().cpu().numpy().astype(np.float64)
    np.fill_diagonal(weight, 0.0)
    weight *= plateau / gain
    return weight


def published_grid(activity: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " 1000"]:
    """The last fifth of the range that ends at 1.5 standard deviations, rounded."""
    end = np.round(1.5 * np.std(activity, dtype=np.float64))
    return np.linspace(0.8 * end, end, 1000)


def published_plateau(
    transfer: Float[np.ndarray, "1000 S"], *, method: Literal["median", "max"] = "median"
) -> Float[np.ndarray, " S"]:
    """p, the height of psi on :func:`published_grid`: signed median, or largest absolute value.

    The published code means the median, but falls back to the largest absolute value where a
    configuration asks for a grid beyond its own (supplements 13 and 14).
    """
    return np.median(transfer, axis=0) if method == "median" else np.abs(transfer).max(axis=0)
