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
    n_frames: int | None = None,
) -> AssemblyGNN:
    """Returns a freshly initialised model on the CPU.

    Args:
        config: Model section of a fit.
        n_neurons: Number of neurons of the recording.
        activity_scale: Constant that inputs of phi and psi are divided by [activity].
        generator: Where initial parameters are drawn from.
        n_frames: Frames of the recording; needed for a field, whose time they are.

    Raises:
        ValueError: If there is no neuron, the scale is not a positive finite number, or a field
            does not fit.
    """
    if n_neurons < 1:
        raise ValueError(f"n_neurons is {n_neurons}; a model needs at least one")
    if not 0 < activity_scale < float("inf"):
        raise ValueError(
            f"activity_scale is {activity_scale}; it must be positive and finite. "
            "Is the activity constant, or not finite?"
        )
    field = None
    if config.field is not None:
        if n_frames is None:
            raise ValueError("a model with a field needs n_frames, the length of the recording")
        field = config.field.model_dump(mode="json") | {"n_frames": n_frames}
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
        field=field,
        generator=generator,
    )
