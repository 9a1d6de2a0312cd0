"""Null edges, removal, ablation."""

import numpy as np
import pytest

from neuralgnn.config.fly import Ablation, EdgeRemoval, NullEdges, Perturbation
from neuralgnn.simulate.fly import Connectome
from neuralgnn.simulate.fly.perturb import Network, perturb


def perturbed(config: Perturbation, eye: Connectome, seed: int = 0) -> tuple[Network, Network]:
    weight = np.arange(1.0, eye.n_edges + 1)
    return perturb(config, eye, weight, generator=np.random.default_rng(seed))


@pytest.mark.parametrize("mode", ["per_sender", "random"])
@pytest.mark.parametrize("ratio", [0.5, 1, 2])
def test_null_edges_are_new_pairs_that_do_not_act(
    eye: Connectome, ratio: float, mode: str
) -> None:
    config = NullEdges.model_validate({"kind": "null_edges", "ratio": ratio, "mode": mode})

    simulated, model = perturbed(config, eye)

    null = model.is_null
    assert simulated.pre is eye.pre
    np.testing.assert_array_equal(model.pre[~null], eye.pre)
    np.testing.assert_array_equal(model.weight[~null], np.arange(1.0, eye.n_edges + 1))
    assert not model.weight[null].any()
    assert not (model.pre == model.post)[null].any()
    assert len(np.unique(model.pre * eye.n_cells + model.post)) == len(model.pre)
    if mode == "random":
        assert null.sum() == round(ratio * eye.n_edges)
        return
    degree = np.bincount(eye.pre, minlength=eye.n_cells)
    added = np.bincount(model.pre[null], minlength=eye.n_cells)
    expected = [max(1, round(ratio * d)) if d else 0 for d in degree.tolist()]
    np.testing.assert_array_equal(added, expected)


def test_the_published_number_of_null_edges(whole: Connectome) -> None:
    assert len(perturbed(NullEdges(kind="null_edges", ratio=1), whole)[1].pre) == 868_224


@pytest.mark.parametrize(
    ("fraction", "n_removed"), [(0.02, 15_645), (0.05, 25_077), (0.1, 45_198), (0.2, 87_112)]
)
def test_the_published_numbers_of_removed_edges(
    whole: Connectome, fraction: float, n_removed: int
) -> None:
    config = EdgeRemoval(kind="edge_removal", fraction=fraction)

    simulated, model = perturbed(config, whole)

    assert len(simulated.pre) == 434_112
    assert len(simulated.pre) - len(model.pre) == n_removed


@pytest.mark.parametrize("removed_from", ["model", "model_and_simulation"])
def test_removed_edges_still_act_unless_taken_out_of_the_simulation_too(
    eye: Connectome, removed_from: str
) -> None:
    config = EdgeRemoval.model_validate(
        {"kind": "edge_removal", "fraction": 0.2, "removed_from": removed_from}
    )

    simulated, model = perturbed(config, eye)

    assert len(simulated.pre) == (eye.n_edges if removed_from == "model" else len(model.pre))
    assert np.all(np.diff(model.weight) > 0)  # order is kept
    left = np.bincount(model.pre, minlength=eye.n_cells)
    np.testing.assert_array_equal(left > 0, np.bincount(eye.pre, minlength=eye.n_cells) > 0)


def test_random_removal_takes_the_stated_share(eye: Connectome) -> None:
    config = EdgeRemoval(kind="edge_removal", fraction=0.3, mode="random")

    assert len(perturbed(config, eye)[1].pre) == int(0.7 * eye.n_edges)


def test_ablated_edges_stay_in_the_graph_with_weight_0(eye: Connectome) -> None:
    simulated, model = perturbed(Ablation(kind="ablation"), eye)

    assert model is simulated
    assert model.is_ablated.sum() == round(0.5 * eye.n_edges)
    np.testing.assert_array_equal(model.weight == 0, model.is_ablated)
    np.testing.assert_array_equal(model.pre, eye.pre)


def test_edges_are_drawn_from_the_generator(eye: Connectome) -> None:
    config = Ablation(kind="ablation")
    one, same, other = (perturbed(config, eye, seed)[1].is_ablated for seed in (0, 0, 1))

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
