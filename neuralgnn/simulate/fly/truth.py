"""What a simulation of the fly visual system knows. Axes: E edges of the model, N neurons."""

__all__ = ["CELL_GROUPS", "cell_group", "truth_dataset"]

import numpy as np
import xarray as xr
from jaxtyping import Float

from neuralgnn.simulate.fly.connectome import Connectome
from neuralgnn.simulate.fly.perturb import Network

CELL_GROUPS = {
    "R1-R6": ("R1", "R2", "R3", "R4", "R5", "R6"),
    "R7-R8": ("R7", "R8"),
    "L1-L5": ("L1", "L2", "L3", "L4", "L5"),
    "Am, C": ("Am", "C2", "C3"),
    "Mi1-Mi4": ("Mi1", "Mi2", "Mi3", "Mi4"),
    "Mi9-Mi12": ("Mi9", "Mi10", "Mi11", "Mi12"),
    "Mi13-Mi15": ("Mi13", "Mi14", "Mi15"),
    "Tm1-Tm4": ("Tm1", "Tm2", "Tm3", "Tm4"),
    "Tm5": ("Tm5a", "Tm5b", "Tm5c", "Tm5Y"),
    "Tm9-Tm20": ("Tm9", "Tm16", "Tm20"),
    "Tm28-Tm30": ("Tm28", "Tm30"),
    "TmY": (
        "TmY3",
        "TmY4",
        "TmY5a",
        "TmY9",
        "TmY10",
        "TmY13",
        "TmY14",
        "TmY15",
        "TmY18",
    ),
    "T4a": ("T4a",),
    "T4b": ("T4b",),
    "T4c": ("T4c",),
    "T4d": ("T4d",),
    "T5": ("T5a", "T5b", "T5c", "T5d"),
    "T1-T3": ("T1", "T2", "T2a", "T3"),
    "Lawf": ("Lawf1", "Lawf2"),
    "other": ("CT1(Lo1)", "CT1(M10)"),
}
"""Coarse groups of cell types, as published."""


def cell_group(cell_type: str) -> int:
    """Number of the coarse group of a cell type."""
    for number, members in enumerate(CELL_GROUPS.values()):
        if cell_type in members:
            return number
    raise ValueError(f"{cell_type!r} is none of the 65 cell types")


def truth_dataset(
    connectome: Connectome,
    *,
    simulated: Network,
    model: Network,
    time_constant: Float[np.ndarray, " N"],
    resting_potential: Float[np.ndarray, " N"],
) -> xr.Dataset:
    """Weights, types and parameters.

    ``weight(edge)`` follows the edges of the graph that a model is given, 0 where an edge does not
    act. ``type(neuron)`` counts cell types in alphabetical order; ``cell_type(type_index)`` and
    ``group(group_index)`` are their names. Where another graph was simulated, its edges are
    ``simulated_pre``, ``simulated_post`` and ``simulated_weight``.

    Args:
        connectome: What was simulated.
        simulated: Edges that acted.
        model: Edges that a model is given.
        time_constant: tau as simulated [s].
        resting_potential: V [1].
    """
    names = sorted(connectome.types)  # alphabetical by character code: "CT1" comes before "L1"
    alphabetical = np.array([names.index(name) for name in connectome.types])
    groups = np.array([cell_group(name) for name in names])
    types = alphabetical[connectome.type]
    is_input = np.isin(np.arange(connectome.n_cells), connectome.input_cells)
    variables = {
        "weight": ("edge", model.weight.astype(np.float32), _about("weight W", "1")),
        "is_null_edge": ("edge", model.is_null, _about("edge that is not in the connectome", "1")),
        "is_ablated_edge": ("edge", model.is_ablated, _about("edge that was silenced", "1")),
        "time_constant": (
            "neuron",
            time_constant.astype(np.float32),
            _about("time constant", "s"),
        ),
        "resting_potential": (
            "neuron",
            resting_potential.astype(np.float32),
            _about("resting potential", "1"),
        ),
        "type": ("neuron", types, _about("cell type", "1")),
        "is_input": ("neuron", is_input, _about("neuron that receives light", "1")),
        "cell_type": ("type_index", np.array(names, dtype=object), _about("cell type", "1")),
        "type_group": ("type_index", groups, _about("group of the cell type", "1")),
        "group": ("group_index", np.array(list(CELL_GROUPS), dtype=object), _about("group", "1")),
    }
    if simulated is not model:
        numbers = {"simulated_pre": simulated.pre, "simulated_post": simulated.post}
        for name, values in (numbers | {"simulated_weight": simulated.weight}).items():
            kind = np.float32 if name == "simulated_weight" else np.int32
            about = _about(name.replace("_", " "), "1")
            variables[name] = ("simulated_edge", values.astype(kind), about)
    return xr.Dataset(variables, attrs={"model": "fly", "transfer": "relu"})


def _about(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}
