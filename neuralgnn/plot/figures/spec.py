"""What a figure is: what it needs, what its caption says, and the function that draws it."""

__all__ = ["FigureSpec", "Need"]

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # listing the figures needs no matplotlib
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Need:
    """One thing that a figure needs, by its name ``store``, ``experiment__store`` or
    ``experiment__fit__store``.

    Args:
        store: Store of the analysis; or ``activity``, ``metrics``.
        experiment: Experiment that it is of; empty: that of the figure.
        fit: Fit that it is of; empty: the first that has such a store.
    """

    store: str
    experiment: str = ""
    fit: str = ""

    @classmethod
    def of(cls, name: str) -> "Need":
        """Takes a name apart."""
        *owner, store = name.split("__")
        return cls(store, *owner)


@dataclass(frozen=True)
class FigureSpec:
    """One figure.

    Args:
        module: Module below this package; its ``figure`` draws the figure.
        needs: Names of what ``figure`` finds in its mapping: ``activity`` is a stretch of the
            recording, dims ``(time, neuron)``; ``metrics`` the rows of a table of metrics;
            the others are stores of the analysis, see :class:`Need`.
        experiment: Experiment that is shown; empty for figures of several experiments.
        caption: What the figure shows, in sentences, for the report.
        per_fit: Whether any fit of any experiment can be shown this way.
        movie: Whether there is an animated picture with it, of the field or of the eye's lattice.
        graph: Whether it shows fits on a given graph, whose analysis leaves other stores.
        over_seeds: Whether it shows a fit for all its seeds; a need is then given once per seed,
            as ``<need>_<seed>``.
        table: Collection whose table of metrics is meant; ``metrics``: the default one.
    """

    module: str
    needs: tuple[str, ...]
    experiment: str
    caption: str
    per_fit: bool = True
    movie: bool = False
    graph: bool = False
    over_seeds: bool = False
    table: str = "metrics"

    @property
    def experiments(self) -> tuple[str, ...]:
        """Every experiment that is shown, each once."""
        owners = (Need.of(name).experiment or self.experiment for name in self.needs)
        return tuple(dict.fromkeys(owner for owner in owners if owner))

    @property
    def function(self) -> "Callable[..., Figure]":
        """Function that makes the figure from a mapping of what it needs."""
        return import_module(f"{__package__}.{self.module}").figure
