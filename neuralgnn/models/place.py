"""Where to compute."""

__all__ = ["place"]

from typing import Literal

import torch


def place(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to compute on; ``auto`` takes CUDA when there is one.

    Raises:
        ValueError: If ``cuda`` is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError(
            "device is 'cuda', but PyTorch finds no CUDA device; use 'auto' or 'cpu', or install "
            "a CUDA build of torch"
        )
    return torch.device("cuda" if device != "cpu" and available else "cpu")
