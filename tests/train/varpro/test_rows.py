import numpy as np
import pytest
import torch

from neuralgnn.train.varpro.rows import GramFactor, RowSystem, solve_weights


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    return draw(200, 12), draw(3, 200, 4), draw(3, 200, 2), torch.tensor([1, 5, 11])


def test_rows_equal_plain_least_squares_without_the_own_column(problem) -> None:
    sent, own, target, receivers = problem
    system = RowSystem(sent, GramFactor.of(sent, ridge=0), own, receivers)
    w, d = system.solve(target)

    for i, receiver in enumerate(receivers.tolist()):
        others = np.delete(np.arange(12), receiver)
        design = np.hstack([sent.numpy()[:, others], own[i].numpy()])
        expected = np.linalg.lstsq(design, target[i].numpy(), rcond=None)[0]
        np.testing.assert_allclose(w[i].numpy()[others], expected[:11], atol=1e-8)
        np.testing.assert_allclose(d[i].numpy(), expected[11:], atol=1e-8)
        assert (w[i, receiver] == 0).all()
        residual = target[i].numpy() - design @ expected
        np.testing.assert_allclose(system.residual(target, w, d)[i].numpy(), residual, atol=1e-8)


def test_shared_update_equals_one_joint_least_squares(problem) -> None:
    sent, own, target, receivers = problem
    system = RowSystem(sent, GramFactor.of(sent, ridge=0), own, receivers, shared=True)
    w, d = system.solve(target[:, :, :1])

    blocks = []
    for i, receiver in enumerate(receivers.tolist()):
        columns = np.zeros((200, 3 * 11 + 4))
        columns[:, 11 * i : 11 * (i + 1)] = np.delete(sent.numpy(), receiver, axis=1)
        columns[:, 33:] = own[i].numpy()
        blocks.append(columns)
    expected = np.linalg.lstsq(np.vstack(blocks), target[:, :, 0].numpy().ravel(), rcond=None)[0]
    np.testing.assert_allclose(d[0, :, 0].numpy(), expected[33:], atol=1e-8)
    np.testing.assert_allclose(np.delete(w[1, :, 0].numpy(), 5), expected[11:22], atol=1e-8)


def test_weights_for_given_messages_equal_plain_least_squares(problem) -> None:
    sent, _, _, _ = problem
    target = torch.randn(200, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    w = solve_weights(GramFactor.of(sent, ridge=0), sent.T @ target)

    for i in range(12):
        others = np.delete(np.arange(12), i)
        expected = np.linalg.lstsq(sent.numpy()[:, others], target[:, i].numpy(), rcond=None)[0]
        np.testing.assert_allclose(w[i].numpy()[others], expected, atol=1e-10)
        assert w[i, i] == 0


def test_fewer_samples_than_neurons_are_refused() -> None:
    sent = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="5 samples x 12 neurons is singular"):
        GramFactor.of(sent, ridge=0)
