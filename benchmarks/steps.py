"""Seconds of a training step, per edge and per neuron. Axes: B frames, N neurons."""

__all__ = ["training_step"]

import statistics
import time
from typing import Any

import torch

from neuralgnn.config import FitConfig
from neuralgnn.models import build_model
from neuralgnn.models.per_edge import per_edge_forward
from neuralgnn.train.memory import keep_freed_memory


def training_step(
    fit: FitConfig, *, n_neurons: int, batch_size: int, per_edge: bool, n_steps: int
) -> dict[str, Any]:
    """Times forward, backward and Adam on random activity.

    Args:
        fit: Whose model it is.
        n_neurons: Number of neurons.
        batch_size: Frames per step.
        per_edge: Whether phi and psi are evaluated along edges, as published.
        n_steps: Steps timed; one more goes before them.

    Returns:
        ``seconds`` of a step (median) and ``seconds_per_frame``.
    """
    if not per_edge:  # as in training; along edges it would double the memory
        keep_freed_memory()
    generator = torch.Generator().manual_seed(0)
    model = build_model(fit.model, n_neurons=n_neurons, activity_scale=1.0, generator=generator)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.randn(2, batch_size, n_neurons, generator=generator)
    seconds = []
    for _ in range(1 + n_steps):
        began = time.perf_counter()
        rate = per_edge_forward(model, x) if per_edge else model(x)
        adam.zero_grad()
        (rate - y).norm().backward()
        adam.step()
        seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds[1:])
    return {"seconds": median, "seconds_per_frame": median / batch_size}
