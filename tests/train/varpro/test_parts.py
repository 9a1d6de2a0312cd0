"""A fit made in parts is the fit of one job."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fit import FitConfig
from neuralgnn.config.scatter import Plan, part_mib
from neuralgnn.data import Recording
from neuralgnn.models import load_model
from neuralgnn.train import train, train_part
from neuralgnn.train.varpro import parts, updates
from neuralgnn.train.varpro.pieces import LongSum, Pieces, share, sum_gram, tile_products, tiles
from neuralgnn.train.varpro.rows import GramFactor, solve_row_block, solve_weights


def config(*, above: int = 50, n_stretches: int = 2, n_row_blocks: int = 3, **more) -> FitConfig:
    trainer = {
        "kind": "varpro",
        "n_samples": 3000,
        "n_search_samples": 400,
        "n_receivers": 4,
        "n_coefficients": [10],
        "n_update_coefficients": 10,
        "starts": ["saturating"],
        "max_iterations": 3,
        "scatter": {
            "above": above,
            "n_stretches": n_stretches,
            "n_row_blocks": n_row_blocks,
        },
    }
    model = {"activation": "silu", "hidden": 16} | more.pop("model", {})
    return FitConfig.model_validate({"model": model, "trainer": trainer | more})


def fit(recording: Recording, config: FitConfig, folder: Path, **options) -> Path:
    state = folder / "state"
    train(recording, config, out=folder, state=state, seed=0, progress=False, **options)
    (checkpoint,) = folder.glob("checkpoint_*.pt")
    return checkpoint


def fit_in_parts(recording: Recording, config: FitConfig, folder: Path) -> Path:
    plan = config.scatter_plan(recording.n_neurons)
    assert plan is not None
    options = {"parts": folder / "parts", "state": folder / "state", "seed": 0}
    for part in plan.parts:
        train_part(recording, config, part, progress=False, **options)
    return fit(recording, config, folder, parts=folder / "parts")


@pytest.fixture(autouse=True)
def _few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is learned here, so MLPs need not learn it long."""
    monkeypatch.setattr(parts, "_MOST_POINTS", 200)


@pytest.fixture(params=["direct", "spanned", "shared"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small networks are solved directly; large ones in the space that some neurons span."""
    if request.param == "spanned":
        monkeypatch.setattr(updates, "_MOST_DIRECT", 50)
        monkeypatch.setattr(updates, "_N_SPANNING", 20)
        monkeypatch.setattr(parts, "_MOST_DIRECT", 50)
        monkeypatch.setattr(parts, "_N_RIDGE", 20)
    return request.param


def test_a_fit_in_parts_equals_the_fit_of_one_job(
    recording: Recording, kind: str, tmp_path: Path
) -> None:
    model = {"embedding": "fixed" if kind == "shared" else "learned"}
    alone = fit(recording, config(above=100, model=model), tmp_path / "alone")
    # 3 pieces of frames and 16 tiles of receivers: some jobs of the second get nothing
    sizes = {"direct": (2, 3), "spanned": (4, 17), "shared": (1, 2)}[kind]
    settings = config(n_stretches=sizes[0], n_row_blocks=sizes[1], model=model)
    in_parts = fit_in_parts(recording, settings, tmp_path / "parts")

    expected, found = (load_model(path)[0] for path in (alone, in_parts))
    size = expected.weight.detach().abs().max()
    assert size > 0.01
    for name, value in expected.state_dict().items():
        error = (found.state_dict()[name].double() - value.double()).abs().max()
        assert error <= 1e-9 * size, name
    assert found.arguments == expected.arguments
    history = [(path.parent / "history.csv").read_bytes() for path in (alone, in_parts)]
    assert history[0] == history[1]


def test_the_record_of_a_fit_in_parts_counts_the_work_of_all_of_them(
    recording: Recording, tmp_path: Path
) -> None:
    settings = config(n_stretches=2, n_row_blocks=1, max_deviation=3.0)
    fit_in_parts(recording, settings, tmp_path)
    record = json.loads((tmp_path / "training.json").read_text())

    assert set(record["parts"]) == set(Plan(2, 1).parts)
    total = sum(part["seconds"] for part in record["parts"].values())
    assert record["seconds"] == pytest.approx(total)
    assert 0 < record["n_samples_left_out"] < 3000
    assert not [path for path in (tmp_path / "state").glob("*.pt")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_iterations": 4}, "made with other settings"),
        ({"n_row_blocks": 4}, "another number of jobs"),
    ],
)
def test_a_part_of_another_fit_is_refused(
    recording: Recording, tmp_path: Path, change: dict, message: str
) -> None:
    options = {"parts": tmp_path, "state": tmp_path / "state", "seed": 0, "progress": False}
    train_part(recording, config(max_iterations=1), "find", **options)
    with pytest.raises(ValueError, match=message):
        train_part(
            recording, config(**({"max_iterations": 1} | change)), "gram_spline_0", **options
        )
    assert not (tmp_path / "gram_spline_0.pt").exists()


def test_a_missing_part_and_one_that_does_not_exist_are_named(
    recording: Recording, tmp_path: Path
) -> None:
    options = {"parts": tmp_path, "state": tmp_path, "seed": 0, "progress": False}
    with pytest.raises(FileNotFoundError, match="part 'find' of the fit has not been made"):
        train_part(recording, config(), "gram_spline_1", **options)
    with pytest.raises(ValueError, match="2 stretches and 3 blocks of rows has no part 'rows_3'"):
        train_part(recording, config(), "rows_3", **options)


@pytest.mark.parametrize(
    "settings",
    [config(above=100), config(model={"transfer_input": "sender"}), config(sparse={})],
)
def test_a_fit_of_one_job_has_no_parts(
    recording: Recording, tmp_path: Path, settings: FitConfig
) -> None:
    options = {"parts": tmp_path, "state": tmp_path, "seed": 0, "progress": False}
    with pytest.raises(ValueError, match="this fit is made in one job"):
        train_part(recording, settings, "find", **options)


def test_every_part_comes_after_those_that_it_needs() -> None:
    plan = Plan(3, 2)

    for position, part in enumerate(plan.parts):
        assert set(plan.needs(part)) <= set(plan.parts[:position])
    needed = {name for part in plan.parts for name in plan.needs(part)} | set(plan.last)
    assert needed == set(plan.parts)


def test_memory_of_a_part_holds_what_it_makes() -> None:
    matrix = 8 * 8000**2 / 2**20  # MiB
    plan = Plan(8, 8)

    assert part_mib("gram_spline_3", plan, 8000) > 2 * matrix  # the sum and what it has lost
    assert part_mib("factor_mlp", plan, 8000) > 4 * matrix  # two sums
    assert part_mib("rows_7", plan, 8000) > matrix
    assert part_mib("find", plan, 8000) > 10 * matrix
    assert part_mib("rows_1", plan, 40) < 2000


def test_a_long_sum_is_that_of_unlimited_precision_in_any_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((40, 3, 3)) * 10.0 ** rng.integers(-8, 9, size=(40, 1, 1))
    exact = np.array([[math.fsum(values[:, i, j]) for j in range(3)] for i in range(3)])
    everything = slice(None)

    def summed(*shares: np.ndarray) -> torch.Tensor:
        total = LongSum.zeros(3, device="cpu")
        for some in shares:
            own = LongSum.zeros(3, device="cpu")
            for value in torch.from_numpy(values[some]):
                own.add(value, rows=everything, columns=everything)
            total.merge(own)
        return total.rounded()

    assert not np.array_equal(values.sum(0), exact)  # plain sums round
    orders = [np.split(rng.permutation(40), cuts) for cuts in ([], [3], [10, 11, 30])]
    for shares in orders:
        np.testing.assert_array_equal(summed(*shares).numpy(), exact)


@pytest.fixture
def pieces() -> Pieces:
    x, y = torch.randn(2, 2500, 30, generator=torch.Generator().manual_seed(0))
    return Pieces(lambda frames: (x[frames], y[frames]), np.arange(2500), n_neurons=30)


def sent(x: torch.Tensor) -> torch.Tensor:
    return x.double().tanh()


def test_stretches_sum_to_the_gram_matrix(pieces: Pieces) -> None:
    total = LongSum.zeros(30, device="cpu")
    for number in range(4):
        some = share(range(len(pieces)), number, 4)
        total.merge(sum_gram(pieces, range(some[0], some[-1] + 1) if some else range(0), sent))
    p = sent(torch.cat([x for x, _ in pieces]))

    torch.testing.assert_close(total.rounded().tril(), (p.T @ p).tril(), rtol=1e-13, atol=1e-10)


def test_blocks_of_rows_equal_all_rows_at_once(pieces: Pieces) -> None:
    x, y = (torch.cat(both) for both in zip(*pieces, strict=True))
    p, z = sent(x), y.double()
    factor = GramFactor.of(p, ridge=1e-3)
    expected = solve_weights(factor, p.T @ z)
    products = tile_products(
        pieces,
        tiles(torch.arange(30)),
        n_columns=1,
        sent=sent,
        columns=lambda x, y, _: y.double().T[:, :, None],
    )
    rows = [solve_row_block(factor, each.cross[:, :, 0].T, each.receivers) for each in products]

    torch.testing.assert_close(torch.cat(rows), expected, rtol=0, atol=1e-13)
    assert (torch.cat(rows).diagonal() == 0).all()


def test_a_survey_of_pieces_is_that_of_all_values(pieces: Pieces) -> None:
    values = torch.cat([x for x, _ in pieces]).flatten()
    sample, spread = pieces.survey(n_most=1000)

    step = len(values) // 1000 | 1
    np.testing.assert_array_equal(sample[:-2], values[::step].double().numpy())
    assert sample[-2:].tolist() == [float(values.min()), float(values.max())]
    assert spread == pytest.approx(float(values.double().std()), rel=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_rows_on_the_gpu_are_those_of_the_cpu(pieces: Pieces) -> None:
    def rows(device: str) -> torch.Tensor:
        moved = Pieces(
            lambda frames: tuple(v[: len(frames)].to(device) for v in pieces[0]),
            np.arange(1024),
            n_neurons=30,
        )
        gram = sum_gram(moved, range(1), sent).rounded()
        factor = GramFactor.of_gram(gram, ridge=1e-3, n_samples=1024)
        (products,) = tile_products(
            moved,
            [torch.arange(30, device=device)],
            n_columns=1,
            sent=sent,
            columns=lambda x, y, _: y.double().T[:, :, None],
        )
        return solve_row_block(factor, products.cross[:, :, 0].T, products.receivers).cpu()

    torch.testing.assert_close(rows("cuda"), rows("cpu"), rtol=1e-9, atol=1e-12)
