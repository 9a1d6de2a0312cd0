"""Formulas that are known, recovered from curves with smooth errors."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from neuralgnn.analyse.case import Case
from neuralgnn.analyse.structure import symbolic_part
from neuralgnn.analyse.symbolic import (
    TERMS,
    Expression,
    compare_symbolic,
    find_expression,
    symbolic_dataset,
)
from neuralgnn.config.analysis import AnalysisConfig, SymbolicConfig, Term

SETTINGS = SymbolicConfig().model_dump()
X = 7.2 * np.sort(np.random.default_rng(0).standard_normal(100))
BEND = 0.002 * np.abs(X).max() * np.sin(X / 5)  # smooth, like the errors of a fit


def find(curve, **settings) -> Expression:
    return find_expression(X, curve, **SETTINGS | settings)


@pytest.mark.parametrize("decay", [1, 4])
@pytest.mark.parametrize("coupling", [1, 8])
def test_update_functions_are_recovered_with_their_constants(decay, coupling) -> None:
    """The corners of the published 32 types."""
    found = find(-decay * X + coupling * np.tanh(X) + BEND)
    assert found.terms == ("x", "tanh(x)")
    np.testing.assert_allclose(found.constants[0], -decay, rtol=0.01)
    np.testing.assert_allclose(found.constants[1], coupling, rtol=0.1)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_transfer_functions_are_recovered_with_their_width(width) -> None:
    curve = np.tanh(X / width)
    found = find(curve + 0.002 * np.cos(X / 4))
    assert found.terms == ("tanh(x/w)",)
    assert found.constants[0] == pytest.approx(1, abs=0.01)
    assert found.scales[0] == pytest.approx(width, rel=0.02)
    assert str(find(curve)) == f"1.00 tanh(x/{width})"


def test_a_scale_of_one_is_not_paid_for() -> None:
    assert find(np.tanh(X)).terms == ("tanh(x)",)


@pytest.mark.parametrize(
    ("curve", "terms"),
    [
        (3 + 0 * X, ("1",)),
        (0.5 * X**2 - 2 * X, ("x", "x^2")),
        (2 * np.maximum(X, 0) - 0.3 * X, ("x", "relu(x)")),
        (1 + 2 / (1 + np.exp(-X / 3)), ("1", "sigmoid(x/w)")),
        (np.sin(X / 2.5), ("sin(x/w)",)),
        (np.tanh(X / 3) + 0.01 * X**3, ("x^3", "tanh(x/w)")),
    ],
)
def test_other_functions_of_the_library_are_told_apart(curve, terms) -> None:
    found = find(curve)
    if terms[-1] == "sigmoid(x/w)":  # 2 + tanh(x/6) is the same function
        assert found.terms in (terms, ("1", "tanh(x/w)"))
    else:
        assert found.terms == terms
    assert found.error < 1e-6
    np.testing.assert_allclose(found(X), curve, atol=1e-5 * np.abs(curve).max())


def test_two_scales_are_found_together() -> None:
    curve = 3 * np.tanh(X / 6) + np.sin(X / 2.5)
    found = find(curve)
    assert found.by_function["tanh"] == pytest.approx((3, 6), rel=1e-4)
    assert found.by_function["sin"] == pytest.approx((1, 2.5), rel=1e-4)


def test_tolerance_says_what_is_worth_a_term() -> None:
    curve = -X + 0.3 * np.tanh(X)
    assert find(curve, tolerance=0.001).terms == ("x", "tanh(x)")
    assert find(curve, tolerance=0.2).terms == ("x",)


def test_a_function_outside_the_library_gets_the_nearest_formula_and_its_error() -> None:
    found = find(np.tanh(X / 4), library=("1", "x"), max_terms=2)
    assert found.terms == ("x",)
    assert found.error > 0.1


def test_a_zero_function_has_an_empty_formula() -> None:
    found = find(np.zeros_like(X))
    assert (found.terms, str(found)) == ((), "0")
    np.testing.assert_array_equal(found(X), 0)


def test_constants_are_compared_function_by_function() -> None:
    true = Expression(("x", "tanh(x)"), (-2.0, 1.0), (1.0, 1.0), 0.0)
    near = Expression(("x", "tanh(x/w)"), (-2.2, 1.0), (1.0, 1.1), 0.0)
    lacks = Expression(("x",), (-2.0,), (1.0,), 0.1)
    scores = compare_symbolic(near, true)
    assert scores["form"] == 1
    assert scores["constants_error"] == pytest.approx((0.1 + 0 + 0.1) / 3)
    assert compare_symbolic(lacks, true) == {"form": 0, "constants_error": pytest.approx(0.5)}
    assert compare_symbolic(true, true) == {"form": 1, "constants_error": 0}
    dataset = symbolic_dataset({"update 1": near}, {"update 1": true}, share=[1.0])
    row = dataset.isel(row=0)
    assert float(row["learned_constant"].sel(function="x")) == -2.2
    assert float(row["learned_scale"].sel(function="tanh")) == 1.1
    assert np.isnan(row["true_constant"].sel(function="sin"))
    assert str(row["true_formula"].item()) == "\N{MINUS SIGN}2.00 x + 1.00 tanh(x)"


def test_the_configuration_knows_every_term() -> None:
    assert set(Term.__args__) == set(TERMS)


def test_unknown_terms_and_curves_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown term 'cosh'"):
        find(X, library=("x", "cosh"))
    with pytest.raises(ValueError, match="100 points, 1 of them not finite"):
        find(np.where(np.arange(100) == 3, np.nan, X))


def test_formulas_of_a_cluster_hold_where_its_own_neurons_have_been() -> None:
    labels = np.repeat([0, 1], 5)
    reach = np.where(labels == 0, 20.0, 5.0)
    activity = np.random.default_rng(0).uniform(-1, 1, (400, 10)) * reach

    def curves(grid: np.ndarray) -> np.ndarray:
        beyond = 0.1 * np.maximum(np.abs(grid) - 5, 0)  # where half of them never were
        return np.stack([-grid + np.tanh(grid) + (label == 1) * beyond for label in labels])

    described = SimpleNamespace(update_curves=curves, transfer_curves=curves)
    config = AnalysisConfig()
    case = SimpleNamespace(
        activity=activity, fitted=described, true=None, truth=None, per_sender=True, config=config
    )

    dataset, _ = symbolic_part(cast(Case, case), labels)

    assert dataset["row"].values.tolist() == ["update 1", "update 2", "transfer 1", "transfer 2"]
    assert set(dataset["learned_formula"].values) == {"\N{MINUS SIGN}1.00 x + 1.00 tanh(x)"}
    assert dataset["share"].values.tolist() == [0.5] * 4
