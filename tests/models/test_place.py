"""How many threads compute."""

import threading

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

    with one_thread(), one_thread():
        assert side_by_side(work, range(3)) == [(0, 1), (1, 1), (2, 1)]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_what_fails_for_one_item_fails_as_a_whole() -> None:
    with one_thread(), pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 / item, [1, 0, 1])
    here = threading.get_ident()
    assert side_by_side(lambda _: threading.get_ident(), [0, 1]) == [here, here]
