"""What a simulation knows, as labelled arrays. Axes: N neurons, K types, G grid points."""

__all__ = ["truth_dataset"]

from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from jaxtyping import Int

from neuralgnn.simulate.rate import PARAMETERS, RateEquation
from neuralgnn.simulate.stimulus import Stimulus

_GRID_POINTS = 2001
_GRID_MARGIN = 1.2  # of the recorded range: rollouts of a fitted model may leave it a little


def truth_dataset(
    equation: RateEquation,
    types: Int[np.ndarray, " N"],
    *,
    low: float,
    high: float,
    stimulus: Stimulus | None = None,
) -> xr.Dataset:
    """Weights, types, per-neuron parameters and tabulated functions of a simulation.

    ``update(type_index, grid)`` is what a neuron does by itself, offset included;
    ``transfer(receiver_type, sender_type, grid)`` is psi_ij without gain. A hidden movie is
    ``movie(movie_frame, row, column)``, and ``driven(row, column)`` the neuron of each pixel.

    Args:
        equation: The equation that was integrated, on the CPU.
        types: Type of each neuron, numbered 0 .. K - 1.
        low: Smallest recorded activity.
        high: Largest recorded activity.
        stimulus: What drove the neurons from outside.
    """
    half = _GRID_MARGIN * max(high - low, 1e-3) / 2
    grid = np.linspace((low + high) / 2 - half, (low + high) / 2 + half, _GRID_POINTS)
    table = _one_neuron_per_type(equation, types)
    x = torch.from_numpy(grid)[:, None].expand(-1, len(table.decay))  # (G, K)
    transfer = torch.stack([table.sent(x, receiver_width=width) for width in table.width])
    variables = {
        "weight": (("post", "pre"), equation.weight.numpy(), _about("weight W", "1")),
        "type": ("neuron", types.astype(np.int64), _about("type", "1")),
        "update": (
            ("type_index", "grid"),
            table.update(x).T.numpy(),
            _about("update function", "activity/time unit"),
        ),
        "transfer": (
            ("receiver_type", "sender_type", "grid"),
            transfer.transpose(1, 2).numpy(),
            _about("transfer function", "1"),
        ),
    }
    for name, unit in PARAMETERS.items():
        values = getattr(equation, name).numpy()
        variables[name] = ("neuron", values, _about(name.replace("_", " "), unit))
    movie_attrs = {}
    if stimulus is not None:
        pixels = ("row", "column")
        variables["movie"] = (("movie_frame", *pixels), stimulus.movie, _about("movie", "1"))
        variables["driven"] = (pixels, stimulus.neurons, _about("driven neuron", "1"))
        movie_attrs = {
            "movie_n_frames": stimulus.n_frames,
            "movie_mode": stimulus.mode,
            "movie_burn_in": stimulus.burn_in,
            "movie_frame_of": "floor(frame (movie frames - 1) / movie_n_frames)",
        }
    return xr.Dataset(
        variables,
        coords={"grid": ("grid", grid, _about("activity x", "activity"))},
        attrs={
            "transfer_kind": equation.transfer,
            "function": equation.function,
            "slope": equation.slope,
        }
        | movie_attrs,
    )


def _one_neuron_per_type(equation: RateEquation, types: Int[np.ndarray, " N"]) -> RateEquation:
    _, first = np.unique(types, return_index=True)
    return replace(
        equation.to(dtype=torch.float64),
        weight=torch.zeros(len(first), len(first)),
        **{name: getattr(equation, name)[first].double() for name in PARAMETERS},
    )


def _about(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}
