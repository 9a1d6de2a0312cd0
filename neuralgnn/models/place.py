"""Where to compute, and with how many threads."""

__all__ = ["one_thread", "place", "side_by_side"]

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
_WORKERS: ContextVar[ThreadPoolExecutor | None] = ContextVar("workers", default=None)


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
def one_thread(*, where: bool = True, workers: bool = False) -> Iterator[None]:
    """One thread of PyTorch until the block ends; as a decorator, while the function runs.

    Threads that share matrices of some dozens of rows wait for each other more than they work.

    Args:
        where: False: as many as before.
        workers: Whether as many threads as there were take work of their own, see
            :func:`side_by_side`. Not on CUDA: streams belong to threads.
    """
    before = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, before)
        torch.set_num_threads(1 if where else before)
        if workers and before > 1:
            # A thread's number of threads is its own, and at first that of the process.
            pool = ThreadPoolExecutor(before, initializer=torch.set_num_threads, initargs=(1,))
            stack.enter_context(pool)
            stack.callback(_WORKERS.reset, _WORKERS.set(pool))
        yield


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Does the same for all items, on the workers of :func:`one_thread` if there are some.

    Args:
        work: What is done; it may not depend on what is done for other items.
        items: The last ones are begun first: give the largest last.

    Returns:
        What came out, in order of the items, whatever the number of threads.
    """
    workers, items = _WORKERS.get(), list(items)
    if workers is None:
        return [work(item) for item in items]
    done = [workers.submit(work, item) for item in reversed(items)]
    for each in wait(done, return_when=FIRST_EXCEPTION).not_done:
        each.cancel()  # one has failed
    failed = (each.exception() for each in done if each.done() and not each.cancelled())
    if error := next(filter(None, failed), None):
        raise error
    return [each.result() for each in reversed(done)]
