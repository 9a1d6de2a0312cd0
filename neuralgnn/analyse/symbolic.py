r"""Formulas of learned functions. Axes: G points, K terms, S free scales, Q sets of them.

An expression is a sum of few terms of a declared library,

.. math:: f(x) = \sum_k c_k\, h_k(x / w_k),

for instance :math:`-x/\tau + s \tanh(x)` or :math:`\tanh(x / w)`. All subsets of the library with
at most ``max_terms`` terms, no function twice and at most two free scales are tried. For given
scales w the constants c are a linear least-squares problem; scales are searched on a logarithmic
grid and refined by nonlinear least squares over log w with c eliminated (variable projection).

The chosen expression is the one with the lowest

.. math:: \mathrm{BIC} = G \log(\mathrm{SSE} / G + \epsilon^2 \langle f^2 \rangle) + n \log G,

n counting constants and scales (Schwarz 1978). A learned curve has no noise but smooth errors of
some relative size, so one more constant has to remove a relative error of at least the
*tolerance* :math:`\delta`: :math:`\epsilon^2 = \delta^2 / (G^{1/G} - 1)`. Points lie at even
quantiles of the activity, so that a formula holds where the activity is.

PySR, the usual tool for this, runs on Julia, which it downloads when first used; a declared
library needs nothing, always ends in the same formula, and says what could have been found.
"""

__all__ = ["TERMS", "Expression", "compare_symbolic", "find_expression", "symbolic_dataset"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.special import expit

from neuralgnn.analyse.labels import about

_GRID = {1: 60, 2: 24}  # scales tried per free scale, by how many are free
_REFINED = 4  # expressions of every length, lowest BIC on the grid, whose scales are refined
_ZERO = 1e-12


@dataclass(frozen=True)
class _Term:
    """One entry of the library: a function of x / w, w being free or 1."""

    function: str
    evaluate: Callable[[np.ndarray], np.ndarray]
    free: bool
    printed: str


TERMS: Mapping[str, _Term] = {
    "1": _Term("1", np.ones_like, False, ""),
    "x": _Term("x", lambda x: x, False, "x"),
    "x^2": _Term("x^2", np.square, False, "x²"),
    "x^3": _Term("x^3", lambda x: x**3, False, "x³"),
    "relu(x)": _Term("relu", lambda x: np.maximum(x, 0.0), False, "relu({})"),
    "tanh(x)": _Term("tanh", np.tanh, False, "tanh({})"),
    "tanh(x/w)": _Term("tanh", np.tanh, True, "tanh({})"),
    "sigmoid(x)": _Term("sigmoid", expit, False, "sigmoid({})"),
    "sigmoid(x/w)": _Term("sigmoid", expit, True, "sigmoid({})"),
    "sin(x)": _Term("sin", np.sin, False, "sin({})"),
    "sin(x/w)": _Term("sin", np.sin, True, "sin({})"),
}
"""What a library can be declared from."""


@dataclass(frozen=True)
class Expression:
    """A sum of terms.

    Attributes:
        terms: Names of the terms, in the order of the library.
        constants: Factor of each.
        scales: w of each, 1 where it is not free.
        error: Relative L2 error against the curve it was found for.
    """

    terms: tuple[str, ...]
    constants: tuple[float, ...]
    scales: tuple[float, ...]
    error: float

    def __call__(self, x: Float[np.ndarray, " G"]) -> Float[np.ndarray, " G"]:
        """Evaluates the expression."""
        columns = _columns(self.terms, x, np.array(self.scales))
        return columns @ np.array(self.constants)

    @property
    def by_function(self) -> dict[str, tuple[float, float]]:
        """Constant and scale of each function, whether its scale was free or not."""
        values = zip(self.terms, self.constants, self.scales, strict=True)
        return {TERMS[term].function: (constant, scale) for term, constant, scale in values}

    def __str__(self) -> str:
        """The formula, with three digits, in the order of the library."""
        text = ""
        values = zip(self.terms, self.constants, self.scales, strict=True)
        for term, constant, scale in values:
            argument = f"x/{scale:.3g}" if TERMS[term].free else "x"
            word = TERMS[term].printed.format(argument)
            size = f"{abs(constant):#.3g}".rstrip(".")
            sign = "\N{MINUS SIGN}" if constant < 0 else "+"
            lead = f" {sign} " if text else sign.replace("+", "")
            text += f"{lead}{size} {word}".rstrip()
        return text or "0"


def find_expression(
    x: Float[np.ndarray, " G"],
    curve: Float[np.ndarray, " G"],
    *,
    library: Sequence[str],
    max_terms: int,
    tolerance: float,
) -> Expression:
    """The expression with the lowest BIC.

    Args:
        x: Activities, at even quantiles.
        curve: Values of the function there.
        library: Names of :data:`TERMS` to choose from.
        max_terms: Largest number of terms.
        tolerance: Relative error below which a better fit is not worth a term.

    Raises:
        ValueError: If the curve is not finite, the library has an unknown term, or there are
            hardly more points than constants.
    """
    unknown = [term for term in library if term not in TERMS]
    if unknown:
        raise ValueError(f"unknown term {unknown[0]!r}; there are: {', '.join(TERMS)}")
    if len(x) < 4 * max_terms or not (np.isfinite(curve).all() and np.isfinite(x).all()):
        raise ValueError(
            f"curve has {len(x)} points, {np.count_nonzero(~np.isfinite(curve))} of them not "
            f"finite; expected at least {4 * max_terms} finite ones. Did the fit diverge?"
        )
    size = float(np.mean(curve**2))
    if size <= _ZERO * max(1.0, float(np.mean(x**2))):
        return Expression((), (), (), 0.0)
    span = float(np.abs(x).max())
    # An error of the tolerance, removed by one constant, changes the criterion by nothing.
    floor = len(x) * size * tolerance**2 / (len(x) ** (1 / len(x)) - 1)

    def bic(rss: float, terms: tuple[str, ...]) -> float:
        n = len(terms) + sum(TERMS[term].free for term in terms)
        return len(x) * np.log((max(rss, 0.0) + floor) / len(x)) + n * np.log(len(x))

    tried = []
    for terms in _subsets(library, max_terms):
        scales, rss = _search_scales(terms, x, curve, span)
        tried.append((bic(rss, terms), terms, scales))
    tried.sort(key=lambda entry: entry[0])  # a stable order: ties go to the library's first
    refined = []
    # The grid is coarse, so what is best on it is not yet known to be best.
    best = [
        entry
        for size in range(1, max_terms + 1)
        for entry in [each for each in tried if len(each[1]) == size][:_REFINED]
    ]
    for _, terms, start in best:
        scales = _refine_scales(terms, x, curve, start, span)
        constants, rss = _solve(_columns(terms, x, scales), curve)
        refined.append((bic(rss, terms), terms, scales, constants, rss))
    _, terms, scales, constants, rss = min(refined, key=lambda entry: entry[0])
    error = float(np.sqrt(max(rss, 0.0) / (len(x) * size)))
    return Expression(terms, tuple(constants.tolist()), tuple(scales.tolist()), error)


def compare_symbolic(learned: Expression, true: Expression) -> dict[str, float]:
    """``form``: 1 if both have the same functions; ``constants_error``: mean relative error.

    The mean is over the constants of the true expression and its scales that are not 1 in both;
    a function that the learned one lacks counts as an error of 1.
    """
    found, wanted = learned.by_function, true.by_function
    errors = []
    for function, (constant, scale) in wanted.items():
        own_constant, own_scale = found.get(function, (0.0, scale))
        errors.append(min(abs(own_constant - constant) / max(abs(constant), _ZERO), 1.0))
        if scale != 1.0 or own_scale != 1.0:
            errors.append(min(abs(own_scale - scale) / scale, 1.0))
    return {
        "form": float(set(found) == set(wanted)),
        "constants_error": float(np.mean(errors)) if errors else float(bool(found)),
    }


def symbolic_dataset(
    learned: Mapping[str, Expression],
    true: Mapping[str, Expression] | None,
    *,
    share: Sequence[float],
) -> xr.Dataset:
    """Expressions as stored in ``symbolic.zarr``, one row each.

    Args:
        learned: Expressions by what they describe, such as ``update 1``.
        true: Those of the true functions, of the same rows.
        share: Share of the neurons that each row stands for.
    """
    functions = list(dict.fromkeys(term.function for term in TERMS.values()))
    dataset = xr.Dataset(
        _table(learned, functions, "learned")
        | {
            "share": ("row", np.array(share), about("share of the neurons", "1")),
            "learned_error": (
                "row",
                np.array([expression.error for expression in learned.values()]),
                about("relative error of the formula against the learned curve", "1"),
            ),
        },
        coords={"row": list(learned), "function": functions},
    )
    return dataset if true is None else dataset.assign(_table(true, functions, "true"))


def _table(
    expressions: Mapping[str, Expression], functions: list[str], word: str
) -> dict[str, tuple]:
    values = np.full((2, len(expressions), len(functions)), np.nan)
    for row, expression in enumerate(expressions.values()):
        for function, pair in expression.by_function.items():
            values[:, row, functions.index(function)] = pair
    formulas = np.array([str(expression) for expression in expressions.values()], dtype=object)
    return {
        f"{word}_constant": (("row", "function"), values[0], about(f"{word} constant", "1")),
        f"{word}_scale": (("row", "function"), values[1], about(f"{word} scale w", "activity")),
        f"{word}_formula": ("row", formulas, about(f"{word} formula", "1")),
    }


def _subsets(library: Sequence[str], max_terms: int) -> Iterator[tuple[str, ...]]:
    for size in range(1, max_terms + 1):
        for terms in combinations(dict.fromkeys(library), size):
            n_functions = len({TERMS[term].function for term in terms})
            if n_functions == size and sum(TERMS[term].free for term in terms) <= max(_GRID):
                yield terms


def _columns(
    terms: Sequence[str], x: Float[np.ndarray, " G"], scales: Float[np.ndarray, " K"]
) -> Float[np.ndarray, "G K"]:
    if not terms:
        return np.zeros((len(x), 0))
    values = zip(terms, scales, strict=True)
    return np.stack([TERMS[term].evaluate(x / scale) for term, scale in values], axis=1)


def _solve(
    columns: Float[np.ndarray, "G K"], curve: Float[np.ndarray, " G"]
) -> tuple[Float[np.ndarray, " K"], float]:
    """Constants and the sum of squares that they leave; columns are scaled to one length."""
    length = np.sqrt((columns**2).sum(axis=0))
    length[length == 0] = 1.0
    constants = np.linalg.lstsq(columns / length, curve, rcond=1e-10)[0] / length
    return constants, float(((curve - columns @ constants) ** 2).sum())


def _search_scales(
    terms: tuple[str, ...], x: Float[np.ndarray, " G"], curve: Float[np.ndarray, " G"], span: float
) -> tuple[Float[np.ndarray, " K"], float]:
    """The best scales of a grid."""
    free = [TERMS[term].free for term in terms]
    scales = np.ones(len(terms))
    if not any(free):
        return scales, _solve(_columns(terms, x, scales), curve)[1]
    low, high = _ends(span)
    grid = np.geomspace(low, high, _GRID[sum(free)])
    table = {
        term: TERMS[term].evaluate(x / grid[:, None]) if is_free else None
        for term, is_free in zip(terms, free, strict=True)
    }
    picks = np.array(list(product(range(len(grid)), repeat=sum(free))))  # (Q, S)
    columns, place = np.empty((len(picks), len(x), len(terms))), 0
    for k, term in enumerate(terms):
        values = table[term]
        if values is None:
            columns[:, :, k] = TERMS[term].evaluate(x)
        else:
            columns[:, :, k] = values[picks[:, place]]
            place += 1
    basis = np.linalg.qr(columns)[0]  # (Q, G, K)
    explained = ((basis.transpose(0, 2, 1) @ curve) ** 2).sum(axis=1)
    best = int(explained.argmax())
    scales[np.array(free)] = grid[picks[best]]
    return scales, float((curve**2).sum() - explained[best])


def _refine_scales(
    terms: tuple[str, ...],
    x: Float[np.ndarray, " G"],
    curve: Float[np.ndarray, " G"],
    start: Float[np.ndarray, " K"],
    span: float,
) -> Float[np.ndarray, " K"]:
    free = np.array([TERMS[term].free for term in terms])
    if not free.any():
        return start

    def at(log_scale: Float[np.ndarray, " S"]) -> Float[np.ndarray, " K"]:
        scales = start.copy()
        scales[free] = np.exp(log_scale)
        return scales

    def residual(log_scale: Float[np.ndarray, " S"]) -> Float[np.ndarray, " G"]:
        columns = _columns(terms, x, at(log_scale))
        return curve - columns @ _solve(columns, curve)[0]

    low, high = np.log(_ends(span))
    begin = np.clip(np.log(start[free]), low + 1e-9, high - 1e-9)
    return at(least_squares(residual, begin, bounds=(low, high), xtol=1e-12).x)


def _ends(span: float) -> tuple[float, float]:
    """Smallest and largest scale that the points can tell from a step and from a line."""
    return span / 200, span
