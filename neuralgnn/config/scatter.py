"""How the fit of a large network is cut into jobs, and which job needs which before it."""

__all__ = [
    "FIT_MIB",
    "PARTS",
    "Plan",
    "ScatterConfig",
    "analysis_mib",
    "assembly_mib",
    "fit_mib",
    "kind_of",
    "number_of",
    "part_mib",
    "part_threads",
]

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveInt

from neuralgnn.config.base import Section

PARTS = "find|factor_spline|functions|factor_mlp|(gram_spline|curves|gram_mlp|rows)_[0-9]+"
"""Names of parts, as a regular expression."""


class ScatterConfig(Section):
    """Jobs that the fit of a large network is made in.

    They make no difference to the result: sums are taken over pieces of frames, and rows of W
    solved for, in sizes that do not depend on it. Only a psi of the activity alone with all of W
    is fitted in jobs; a psi of more, or `sparse`, stays in one.
    """

    above: PositiveInt = 8000
    """Neurons above which the workflow makes a fit in several jobs."""
    n_stretches: Annotated[int, Field(ge=1, le=1000)] = 8
    """Stretches of time, each with a job that sums its products of what neurons send."""
    n_row_blocks: Annotated[int, Field(ge=1, le=1000)] = 8
    """Blocks of receiving neurons, each with a job that solves its rows of W."""


@dataclass(frozen=True)
class Plan:
    """Parts of a fit by variable projection: what each of them needs, and who comes first.

    ``find`` searches psi. ``gram_spline`` sums, over one stretch of time, the products of what
    neurons send; ``factor_spline`` adds the stretches up and factors the sum. With it ``curves``
    solves for the update functions of one block of receivers, from which ``functions`` learns
    latent vectors and both MLPs. ``gram_mlp``, ``factor_mlp`` and ``rows`` then do the same for
    W with the MLPs in place.

    Args:
        n_stretches: Stretches of time.
        n_row_blocks: Blocks of receivers.
    """

    n_stretches: int = 1
    n_row_blocks: int = 1

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts, each after those that it needs."""
        return (
            "find",
            *self._each("gram_spline"),
            "factor_spline",
            *self._each("curves"),
            "functions",
            *self._each("gram_mlp"),
            "factor_mlp",
            *self._each("rows"),
        )

    @property
    def last(self) -> tuple[str, ...]:
        """Parts that the model is put together from."""
        return ("find", "functions", *self._each("rows"))

    def needs(self, part: str) -> tuple[str, ...]:
        """Parts whose products a part is made from.

        Raises:
            ValueError: If the plan has no such part.
        """
        if part not in self.parts:
            raise ValueError(
                f"a fit in {self.n_stretches} stretches and {self.n_row_blocks} blocks of rows "
                f"has no part {part!r}; it has: {', '.join(self.parts)}"
            )
        needed = {
            "find": (),
            "gram_spline": ("find",),
            "factor_spline": ("find", *self._each("gram_spline")),
            "curves": ("find", "factor_spline"),
            "functions": ("find", *self._each("curves")),
            "gram_mlp": ("find", "functions"),
            "factor_mlp": ("find", "functions", *self._each("gram_mlp")),
            "rows": ("find", "functions", "factor_mlp"),
        }
        return needed[kind_of(part)]

    def _each(self, kind: str) -> tuple[str, ...]:
        in_time = kind.startswith("gram")
        return tuple(
            f"{kind}_{number}"
            for number in range(self.n_stretches if in_time else self.n_row_blocks)
        )


def kind_of(part: str) -> str:
    """A part's name without its number."""
    return part.rstrip("0123456789").rstrip("_")


def number_of(part: str) -> int:
    """A part's number."""
    return int(part.removeprefix(kind_of(part) + "_"))


FIT_MIB = 6000
"""Memory that every fit and every analysis of an assembly is given [MiB]."""

_PROCESS_MIB = 1500  # interpreter, torch, buffers
_PRODUCTS_MIB = 4096  # products of tiles at most, and what is made of those of one
_ANALYSIS_MATRICES = 18.0  # of N x N in float64: of what was measured, a third more
_SEARCH_ARRAYS = 5.0  # of search frames x neurons in float64, at a step's most
# Matrices of N x N in float64 that a part holds at most: Gram matrices come as a sum and what
# rounding has lost of it.
_MATRICES = {
    "find": 4.0,
    "gram_spline": 2.0,
    "gram_mlp": 2.0,
    "factor_spline": 5.0,
    "factor_mlp": 6.0,
    "curves": 1.0,
    "functions": 1.5,
    "rows": 1.0,
}


def part_mib(part: str, plan: Plan, n_neurons: int) -> int:
    """Memory that a part needs at most [MiB].

    Args:
        part: Its name.
        plan: What the fit is cut into.
        n_neurons: Neurons N.
    """
    kind = kind_of(part)
    matrices = _MATRICES[kind] + (2.0 / plan.n_row_blocks if kind == "rows" else 0.0)
    matrix = 8 * n_neurons**2
    total = matrices * matrix
    if kind == "find":  # on one and a half frames for every neuron
        total += _SEARCH_ARRAYS * 1.5 * matrix
    pieces = 6 * 8 * 1024 * n_neurons
    if kind != "find" and not kind.startswith("gram"):
        total += min(_PRODUCTS_MIB * 2**20, 2 * 8 * 33 * n_neurons**2)
    return _PROCESS_MIB + int((total + pieces) / 2**20)


def part_threads(n_neurons: int) -> int:
    """Threads that a part of the fit of so many neurons keeps busy."""
    return min(32, max(2, n_neurons // 1000))


def fit_mib(n_neurons: int) -> int:
    """Memory that a fit in one job needs at most [MiB]."""
    alone = Plan()
    return max(FIT_MIB, *(part_mib(part, alone, n_neurons) for part in alone.parts))


def analysis_mib(n_neurons: int) -> int:
    """Memory that the analysis of a fit needs at most [MiB].

    Measured: 1.2 GB at 1000 neurons, 4.1 GB at 2048 with a field, 7.8 GB at 8000.
    """
    return max(FIT_MIB, _PROCESS_MIB + int(_ANALYSIS_MATRICES * 8 * n_neurons**2 / 2**20))


def assembly_mib(n_neurons: int) -> int:
    """Memory that putting a model together needs at most [MiB]."""
    return _PROCESS_MIB + int(3.0 * 8 * n_neurons**2 / 2**20)
