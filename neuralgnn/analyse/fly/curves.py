"""Transfer and update functions over each neuron's own range. Axes: N neurons, G points."""

__all__ = ["curves_dataset", "transfer_error"]

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float32

from neuralgnn.analyse.fly.evaluate import VoltageRange
from neuralgnn.analyse.labels import about
from neuralgnn.models.sparse import SparseGNN

_POINTS = 40


def curves_dataset(
    model: SparseGNN,
    ranges: VoltageRange,
    sample: Float32[np.ndarray, "T N"],
    truth: xr.Dataset | None,
) -> xr.Dataset:
    """Curves of every neuron over mean ± 2 standard deviations, as stored.

    ``transfer(neuron, point)`` and ``update(neuron, point)``, the latter without message and
    input, at ``voltage(neuron, point)``; true ones where a rectifier and a leak are known to be.

    Args:
        model: The model.
        ranges: Mean and spread of every neuron's activity.
        sample: Some frames of activity.
        truth: Time constants and resting potentials.
    """
    x = ranges.points(_POINTS)
    nothing = torch.zeros_like(torch.from_numpy(x))
    with torch.no_grad():
        sent = model.sent(torch.from_numpy(x)).numpy()
        update = model.update(torch.from_numpy(x), nothing, nothing).numpy()
    curves = {
        "voltage": (x, about("activity $v$", "1")),
        "transfer": (sent, about("transfer function", "1")),
        "update": (update, about("update function", "1/s")),
    }
    if truth is not None:
        tau, rest = (truth[name].values for name in ("time_constant", "resting_potential"))
        curves["true_update"] = ((rest - x) / tau, about("true update function", "1/s"))
        curves["true_transfer"] = (np.maximum(x, 0), about("true transfer function", "1"))
    dataset = xr.Dataset(
        {name: (("neuron", "point"), y.T.astype(np.float32), a) for name, (y, a) in curves.items()}
    )
    levels = np.linspace(float(sample.min()), float(sample.max()), 200)
    counts = np.histogram(sample, bins=levels)[0]
    dataset["density"] = (
        "bin",
        counts / counts.sum() / np.diff(levels),
        about("density of activity", "1"),
    )
    return dataset.assign_coords(bin=("bin", (levels[1:] + levels[:-1]) / 2))


def transfer_error(model: SparseGNN, sample: Float32[np.ndarray, "T N"]) -> float:
    r"""Relative L2 error of the transfer function against a rectifier where the activity is.

    The learned one is first scaled onto the true one by least squares, and shifted to 0 at 0.
    """
    with torch.no_grad():
        zero = model.sent(torch.zeros(1, sample.shape[1])).numpy()
        sent: Float[np.ndarray, "T N"] = model.sent(torch.from_numpy(sample)).numpy() - zero
    true = np.maximum(sample, 0).astype(np.float64)
    sent = sent.astype(np.float64)
    scale = (sent * true).sum() / max((sent * sent).sum(), 1e-300)
    return float(np.sqrt(((scale * sent - true) ** 2).sum() / (true**2).sum()))
