"""Where to compute, and with how many threads."""

__all__ = ["one_thread", "place"]

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def one_thread(*, where: bool = True) -> Iterator[None]:
    """One thread of PyTorch until the block ends; as a decorator, while the function runs.

    Threads that share matrices of some dozens of rows wait for each other more than they work.

    Args:
        where: False: as many as before.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if where else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
