"""From the model section of a configuration to a model."""

__all__ = ["build_model"]

import torch

from neuralgnn.config.fit import ModelConfig
from neuralgnn.models.assembly import AssemblyGNN


def build_model(
    config: ModelConfig,
    *,
    n_neurons: int,
    activity_scale: float,
    generator: torch.Generator | None,
) -> AssemblyGNN:
    """Returns a freshly initialised model on the CPU.

    Args:
        config: Model section of a fit.
        n_neurons: Number of neurons of the recording.
        activity_scale: Constant that inputs of phi and psi are divided by [activity].
        generator: Where initial parameters are drawn from.

    Raises:
        ValueError: If there is no neuron, or the scale is not a positive finite number.
    """
    if n_neurons < 1:
        raise ValueError(f"n_neurons is {n_neurons}; a model needs at least one")
    if not 0 < activity_scale < float("inf"):
        raise ValueError(
            f"activity_scale is {activity_scale}; it must be positive and finite. "
            "Is the activity constant, or not finite?"
        )
    return AssemblyGNN(
        n_neurons,
        embedding_dim=config.embedding_dim,
        embedding=config.embedding,
        transfer_input=config.transfer_input,
        transfer_terms=config.transfer_terms,
        hidden=config.hidden,
        n_layers=config.n_layers,
        activation=config.activation,
        activity_scale=activity_scale,
        generator=generator,
    )
