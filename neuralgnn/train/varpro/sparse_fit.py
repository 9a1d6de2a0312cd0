r"""A model on given edges fitted by variable projection. Axes: T frames, N neurons, E edges.

1. *Search*: g as a piecewise linear curve, from a few receivers (``sparse_search``), from one or
   more starting shapes, then on more knots where it bends if held-out frames say so.
2. *Rows*: leak, drive, gain and in-weights of every neuron (``sparse_rows``).

Scales are free between g, W and the gains of neurons without external input. They are fixed by
g(0) = 0, slope one of the line through g over the positive activity, gain = leak where no input
tells: messages then are in units of activity, as in the fly's equation.
"""

__all__ = ["SearchProgress", "affine_model", "find_sparse_transfer", "in_unit_slope"]

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from neuralgnn.data.graph import Graph
from neuralgnn.models.sparse import AffineGNN
from neuralgnn.train.varpro.hats import Hats, hat_knots, refined_hat_knots
from neuralgnn.train.varpro.sparse_rows import SparseRows
from neuralgnn.train.varpro.sparse_search import (
    CurveState,
    SparseSearchData,
    held_out_error,
    search_sparse_transfer,
    start_values,
)

logger = logging.getLogger(__name__)

_EXACT = 1e-10
"""Held-out error at which no other start can matter: the rounding of single precision."""
_BETTER = 0.98  # held-out error, relative, that more knots must reach to be kept


@dataclass(frozen=True)
class SearchProgress:
    """Where the search for g stands: enough to continue it identically.

    Stage 0 tries one start after the other; stage 1 refines the best of them; 2 is the end.
    """

    knots: NDArray[np.float64]
    stage: int = 0
    start: int = 0
    state: CurveState | None = None
    best_error: float = float("inf")
    best_state: CurveState | None = None
    best_knots: NDArray[np.float64] | None = None

    @property
    def found(self) -> tuple[Hats, NDArray[np.float64]]:
        """The best curve so far: its basis and its values at the knots."""
        assert self.best_state is not None and self.best_knots is not None
        return Hats(self.best_knots), self.best_state.coefficients


MakeData = Callable[[Hats], tuple[SparseSearchData, SparseSearchData]]


def find_sparse_transfer(
    make_data: MakeData,
    sample: NDArray,
    *,
    n_knots: int,
    refine_knots: int,
    starts: tuple[str, ...],
    max_iterations: int,
    search: SearchProgress | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda search: None,
) -> SearchProgress:
    """Finds the transfer function.

    Args:
        make_data: Gives fitted and held-out samples for a basis.
        sample: Activity, its extremes included.
        n_knots: Knots of the first search.
        refine_knots: Knots added afterwards.
        starts: Starting shapes.
        max_iterations: Upper bound of the Gauss-Newton steps per search.
        search: Where to go on.
        on_progress: Called after every step.
    """
    search = search or SearchProgress(hat_knots(sample, n_knots))
    scale = float(np.std(sample))
    if search.stage == 0:
        data = make_data(Hats(search.knots))
        while search.start < len(starts):
            if search.state is None:
                values = start_values(Hats(search.knots), shape=starts[search.start], scale=scale)
                search = replace(search, state=CurveState(values))
            search = _judged(_run(search, data[0], max_iterations, on_progress), *data)
            logger.info("start %r: held-out error %.2e", starts[search.start], search.best_error)
            last = search.best_error < _EXACT
            search = replace(search, start=len(starts) if last else search.start + 1, state=None)
            on_progress(search)
        search = replace(search, stage=1)
    if search.stage == 1 and refine_knots and search.best_error >= _EXACT:
        if search.state is None:
            hats, values = search.found
            knots = refined_hat_knots(hats, values, sample, refine_knots)
            start = CurveState(hats.at(values, knots))
            search = replace(search, knots=knots, state=start)
        data = make_data(Hats(search.knots))
        search = _judged(_run(search, data[0], max_iterations, on_progress), *data, needed=_BETTER)
        logger.info("%d knots: held-out error %.2e", len(search.knots), search.best_error)
    return replace(search, stage=2, state=None)


def in_unit_slope(hats: Hats, values: NDArray, sample: NDArray) -> NDArray[np.float64]:
    """The same curve with g(0) = 0 and slope one of the line through it over positive activity.

    Raises:
        ValueError: If it does not rise there, or nothing is ever positive.
    """
    values = values - hats.at(values, np.zeros(1))
    x = sample[sample > 0]
    sent = hats.at(values, x)
    slope = float(((x - x.mean()) * sent).sum() / ((x - x.mean()) ** 2).sum()) if len(x) else 0.0
    if not slope > 0:
        raise ValueError(
            f"the transfer function has slope {slope:.3g} over positive activity, a rising one "
            "was expected; is the activity ever above rest? More trainer.n_receivers may help"
        )
    return values / slope


def affine_model(rows: SparseRows, hats: Hats, values: NDArray, graph: Graph) -> AffineGNN:
    """The model that the solved rows describe, in the gauge above."""
    model = AffineGNN(graph.n_neurons, n_edges=graph.n_edges, n_knots=hats.size)
    model.connect(graph.pre, graph.post)
    # A leak of zero or below is an unstable neuron, not a scale.
    fallback = torch.where(rows.leak > 0, rows.leak, 1.0)
    gain = torch.where(rows.gain.isfinite() & (rows.gain > 0), rows.gain, fallback)
    with torch.no_grad():
        model.knots.copy_(torch.as_tensor(hats.knots))
        model.values.copy_(torch.as_tensor(values))
        model.embedding.copy_(torch.stack([rows.drive, rows.leak, gain], dim=1))
        model.weight.copy_(rows.weight / gain[torch.as_tensor(graph.post)])
    return model


def _run(
    search: SearchProgress,
    data: SparseSearchData,
    max_iterations: int,
    on_progress: Callable[[SearchProgress], None],
) -> SearchProgress:
    assert search.state is not None
    state = search_sparse_transfer(
        data,
        search.state,
        max_iterations=max_iterations,
        on_iteration=lambda state: on_progress(replace(search, state=state)),
    )
    return replace(search, state=state)


def _judged(
    search: SearchProgress,
    data: SparseSearchData,
    test: SparseSearchData,
    *,
    needed: float = 1.0,
) -> SearchProgress:
    """Keeps what was found if held-out frames are predicted better than by the best so far."""
    assert search.state is not None
    error = held_out_error(data, search.state, test)
    if error < needed * search.best_error:
        return replace(search, best_error=error, best_state=search.state, best_knots=search.knots)
    return search
