"""How many threads compute."""

import threading
import time

import pytest
import torch

from neuralgnn.models.place import one_thread, side_by_side


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_is_taken_and_given_back_even_by_what_fails() -> None:
    before = torch.get_num_threads()

    @one_thread()
    def fails() -> None:
        assert torch.get_num_threads() == 1
        raise KeyError("gone")

    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyError):
            fails()
        assert torch.get_num_threads() == 2
        with one_thread(where=False):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_threads_that_are_set_free_work_on_items_of_their_own() -> None:
    together = threading.Barrier(3, timeout=60)  # broken if fewer than three get there

    def work(item: int) -> tuple[int, int]:
        together.wait()
        return item, torch.get_num_threads()

    with one_thread(workers=True), one_thread(workers=True):
        assert side_by_side(work, range(3)) == [(0, 1), (1, 1), (2, 1)]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_what_fails_for_one_item_fails_as_a_whole() -> None:
    begun = []

    def work(item: int) -> float:
        begun.append(item)
        time.sleep(0.002)
        return 1 / item

    with one_thread(workers=True), pytest.raises(ZeroDivisionError):
        side_by_side(work, [*range(1, 2000), 0])
    assert len(begun) < 2000
    here = threading.get_ident()
    with one_thread():
        assert side_by_side(lambda _: threading.get_ident(), [0, 1]) == [here, here]


@pytest.mark.usefixtures("three_threads")
def test_a_product_is_the_same_on_every_thread() -> None:
    """Also where it is the first that a thread does: its sums are cut by the number of threads."""
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(shape, generator=generator, dtype=torch.float64)
                  for shape in ((50, 3000), (3000, 50)))  # fmt: skip
    with one_thread(workers=True):
        for each in side_by_side(lambda _: one @ other, range(6)):
            assert torch.equal(each, one @ other)
