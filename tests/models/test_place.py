"""How many threads compute."""

import pytest
import torch

from neuralgnn.models.place import one_thread


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
