from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.analyse.gauge import canonical, canonical_truth
from neuralgnn.analyse.montage import montage_dataset, pick_checkpoints
from neuralgnn.analyse.truth import Truth
from neuralgnn.analyse.weights import compare_weights
from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.checkpoint import save_checkpoint

GRID = np.linspace(-10, 10, 31)


@pytest.fixture
def checkpoints(tmp_path) -> list[Path]:
    paths = []
    for step in (0, 10, 40):
        generator = torch.Generator().manual_seed(step)
        model = AssemblyGNN(100, activity_scale=5.0, generator=generator)
        paths.append(tmp_path / f"checkpoint_{step:08d}.pt")
        save_checkpoint(paths[-1], model, step=step, provenance={})
    return paths


def test_first_three_last_and_some_between_are_picked() -> None:
    files = [Path(str(k)) for k in range(40)]
    picked = [int(path.name) for path in pick_checkpoints(files, n_shown=8)]
    assert picked[:3] == [0, 1, 2]
    assert picked[-1] == 39
    assert len(set(picked)) == 8
    assert max(np.diff(picked[3:])) - min(np.diff(picked[3:])) <= 1
    assert pick_checkpoints(files[:5], n_shown=8) == files[:5]
    assert pick_checkpoints(files, n_shown=1) == files[-1:]


def test_every_checkpoint_is_in_the_canonical_gauge(checkpoints, make_truth, sample) -> None:
    true = canonical_truth(Truth.from_dataset(make_truth()), sample)
    dataset = montage_dataset(checkpoints, sample, GRID, time_unit="s", true=true)
    assert dataset["checkpoint"].values.tolist() == [0, 10, 40]
    assert dataset["learned_update"].dims == ("checkpoint", "neuron", "activity")
    assert dataset["learned_transfer"].dims == ("checkpoint", "activity")
    model = AssemblyGNN(100, activity_scale=5.0, generator=torch.Generator().manual_seed(10))
    fitted = canonical(model, sample)
    one = dataset.sel(checkpoint=10)
    np.testing.assert_allclose(one["learned_weight"], fitted.weight, rtol=1e-5)
    np.testing.assert_allclose(one["learned_transfer"], fitted.transfer_curves(GRID)[0], rtol=1e-4)
    assert float(one["slope"]) == pytest.approx(
        compare_weights(fitted.weight, true.weight)["slope"]
    )


def test_without_truth_there_are_no_scores(checkpoints, sample) -> None:
    dataset = montage_dataset(checkpoints, sample, GRID, time_unit="s")
    assert not {"r2", "slope"} & set(dataset.variables)
