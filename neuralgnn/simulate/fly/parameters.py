r"""Time constants, resting potentials and weights of the fly visual system.

Axes: K types, C cells, E edges.

.. math:: W_e = \mathrm{sign}(pair)\; n_{syn}(pair, du, dv)\; s(pair)

Source: Lappalainen et al. 2024 (Nature 634, 1132).
"""

__all__ = ["Biophysics", "biophysics", "checkpoint_file"]

import pickle
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float

from neuralgnn.config.fly import (
    CHECKPOINT_VARIABLE,
    DefaultParameters,
    FlyParameters,
    PretrainedParameters,
    SampledParameters,
    checkpoint_path,
)
from neuralgnn.simulate.fly.connectome import Connectome

_STRENGTH_SCALE = 0.01  # what flyvis starts from, times the mean number of synapses
_GET = "get it with `flyvis download-pretrained`"


@dataclass(frozen=True, eq=False, kw_only=True)
class Biophysics:
    """Parameters by cell type, and weights by edge.

    Attributes:
        time_constant: tau of each type [s].
        resting_potential: V of each type [1].
        weight: W of each edge of the connectome [1].
    """

    time_constant: Float[np.ndarray, " K"]
    resting_potential: Float[np.ndarray, " K"]
    weight: Float[np.ndarray, " E"]


def biophysics(
    config: FlyParameters, connectome: Connectome, *, generator: np.random.Generator
) -> Biophysics:
    """Parameters that a configuration describes.

    Args:
        config: Their kind.
        connectome: What they are for.
        generator: Where ``sampled`` ones are drawn from.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If it is none, or of another architecture.
    """
    match config:
        case PretrainedParameters():
            return _pretrained(checkpoint_file(config), connectome)
        case DefaultParameters():
            return _default(connectome)
        case SampledParameters():
            return _sampled(config, connectome, generator)


def checkpoint_file(config: PretrainedParameters) -> Path:
    """The checkpoint that is meant.

    Raises:
        FileNotFoundError: If none is named, or there is no such file.
    """
    path = checkpoint_path(config)
    if path is None:
        raise FileNotFoundError(
            "parameters.kind is 'pretrained', but neither parameters.path nor the environment "
            f"variable {CHECKPOINT_VARIABLE} names a checkpoint; {_GET}, or choose kind 'sampled'"
        )
    if not path.is_file():
        raise FileNotFoundError(f"the checkpoint {path} does not exist; {_GET}")
    return path


def _pretrained(path: Path, connectome: Connectome) -> Biophysics:
    stored = _load(path)
    sizes = {
        "nodes_bias": len(connectome.types),
        "nodes_time_const": len(connectome.types),
        "edges_sign": len(connectome.pair_sign),
        "edges_syn_count": len(connectome.filter_n_syn),
        "edges_syn_strength": len(connectome.pair_sign),
    }
    problems = [
        f"{name} has {_size(stored, name)}, expected {size}"
        for name, size in sizes.items()
        if _size(stored, name) != f"{size} values"
    ]
    if not problems and not np.array_equal(stored["edges_sign"].numpy(), connectome.pair_sign):
        problems = ["edges_sign differs from the connectome's signs"]
    if problems:
        raise ValueError(
            f"{path} is of another architecture: {'; '.join(problems)}. Needed is a network on "
            "the connectome with n_syn_fill = 1, parameters by type and pair of types"
        )
    values = {name: stored[name].numpy().astype(np.float64) for name in sizes}
    _check_values(path, values)
    return Biophysics(
        time_constant=values["nodes_time_const"],
        resting_potential=values["nodes_bias"],
        weight=_weight(
            connectome,
            n_syn=np.exp(values["edges_syn_count"]),
            strength=np.maximum(values["edges_syn_strength"], 0),
        ),
    )


def _check_values(path: Path, values: dict[str, np.ndarray]) -> None:
    for name, stored in values.items():
        if bad := int((~np.isfinite(stored)).sum()):
            raise ValueError(f"{path}: {name} has {bad} values that are not finite; {_GET}")
    shortest = values["nodes_time_const"].min()
    if not shortest > 0:
        raise ValueError(
            f"{path}: nodes_time_const goes down to {shortest:g} s, expected times above 0; {_GET}"
        )


def _default(connectome: Connectome) -> Biophysics:
    """What flyvis starts training from; its draw of resting potentials has a fixed seed."""
    counts = np.bincount(connectome.pair, minlength=len(connectome.pair_sign))
    n_syn = connectome.filter_n_syn[connectome.filter]
    total = np.bincount(connectome.pair, weights=n_syn, minlength=len(counts))
    mean = np.where(counts > 0, total / np.maximum(counts, 1), 1.0)
    resting = torch.normal(
        torch.full((len(connectome.types),), 0.5), 0.05, generator=torch.Generator().manual_seed(0)
    )
    return Biophysics(
        time_constant=np.full(len(connectome.types), 0.05),
        resting_potential=resting.numpy().astype(np.float64),
        weight=_weight(connectome, strength=_STRENGTH_SCALE / mean),
    )


def _sampled(
    config: SampledParameters, connectome: Connectome, generator: np.random.Generator
) -> Biophysics:
    r"""Draws parameters under which any two trajectories approach each other.

    The ReLU is 1-Lipschitz, so a step of the dynamics (with tau of at least dt) shrinks the
    largest difference between two states by the factor
    :math:`1 - \frac{dt}{\tau}(1 - \max_i \sum_j |W_{ij}|)`. Each receiving type's weights are
    scaled so that this sum is ``gain`` for the neuron of the type with the largest.
    """
    n_types = len(connectome.types)
    low, high = np.log(config.time_constant_range)
    time_constant = np.exp(generator.uniform(low, high, n_types))
    resting = generator.normal(
        config.resting_potential_mean, config.resting_potential_std, n_types
    )
    spread = config.strength_spread * generator.standard_normal(len(connectome.pair_sign))
    weight = _weight(connectome, strength=np.exp(spread))
    absolute = np.bincount(connectome.post, weights=np.abs(weight), minlength=connectome.n_cells)
    largest = np.zeros(n_types)
    np.maximum.at(largest, connectome.type, absolute)
    scale = config.gain / np.where(largest > 0, largest, 1)
    return Biophysics(
        time_constant=time_constant,
        resting_potential=resting,
        weight=weight * scale[connectome.type[connectome.post]],
    )


def _weight(
    connectome: Connectome,
    *,
    strength: Float[np.ndarray, " pairs"],
    n_syn: Float[np.ndarray, " filters"] | None = None,
) -> Float[np.ndarray, " E"]:
    n_syn = connectome.filter_n_syn if n_syn is None else n_syn
    signed = connectome.pair_sign * strength
    return signed[connectome.pair] * n_syn[connectome.filter]


def _load(path: Path) -> dict[str, torch.Tensor]:
    try:  # weights_only: a checkpoint from elsewhere cannot run code
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, BadZipFile, pickle.UnpicklingError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path} cannot be read as a checkpoint ({first}); {_GET}") from error
    network = content.get("network") if isinstance(content, dict) else None
    if not isinstance(network, dict):
        raise ValueError(f"{path} has no entry 'network', so it is no flyvis checkpoint; {_GET}")
    return network


def _size(stored: dict[str, torch.Tensor], name: str) -> str:
    tensor = stored.get(name)
    return "nothing" if tensor is None else f"{tensor.numel()} values"
