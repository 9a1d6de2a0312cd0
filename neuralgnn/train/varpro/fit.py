r"""A model fitted by variable projection. Axes: T frames, N neurons, K coefficients, D latents.

1. *Search*: psi as a spline, found from a few receiving neurons (``search``), from several
   starting shapes, then on finer knots where it bends.
2. *Rows*: W and a spline phi for every neuron (``rows``).
3. *Latents*: the update functions of all neurons through latent vectors (``latent``).
4. *Distil*: the MLPs of the graph network learn psi and phi (``distil``).
5. *Solve*: W once more, with the MLPs in place.

Here is the first step, and what the others share; ``parts`` puts them together.
"""

__all__ = [
    "Samples",
    "Search",
    "distil_transfer",
    "distil_update",
    "find_transfer",
    "fitting_points",
    "interpolate",
    "subsample",
    "visited_share",
]

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from neuralgnn.models import AssemblyGNN
from neuralgnn.models.mlp import MLP
from neuralgnn.train.varpro.distil import TOLERANCE, fit_mlp, place_kinks
from neuralgnn.train.varpro.search import (
    SearchState,
    held_out_error,
    search_transfer,
    start_coefficients,
)
from neuralgnn.train.varpro.search_data import SearchData
from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots, refined_knots

logger = logging.getLogger(__name__)

_AGREEMENT = 0.02
_N_SCATTERED = 48  # neurons that phi is fitted to besides those that cover all
_SCATTERED_POINTS = 8  # activities of each of them


@dataclass(frozen=True)
class Samples:
    """Activity and its rate of change at some frames.

    Attributes:
        x: Activity.
        y: Rate of change [activity/time unit].
        frames: Number of each frame in the recording; needed where something unknown drives.
        drive: What the messages to each neuron are multiplied with; None: 1.
    """

    x: Float[Tensor, "T N"]
    y: Float[Tensor, "T N"]
    frames: Int[Tensor, " T"] | None = None
    drive: Float[Tensor, "T N"] | None = None

    @property
    def numbers(self) -> Int[Tensor, " T"]:
        """Number of each frame in the recording."""
        assert self.frames is not None
        return self.frames

    def undriven(
        self, columns: Float[Tensor, "I T K"], receivers: Int[Tensor, " I"]
    ) -> Float[Tensor, "I T K"]:
        """Columns of some receivers' equations, divided by what drives them.

        That makes the messages those of neurons which are not driven, and the equations of all
        receivers share their Gram matrix. Frames count by the inverse square of the drive.
        """
        return columns if self.drive is None else columns / self.drive.T[receivers, :, None]


@dataclass(frozen=True)
class Search:
    """Where the search for psi stands: enough to continue it identically.

    Stage 0 tries one start after the other on the coarsest knots; the later stages refine the
    best of them.
    """

    stage: int = 0
    start: int = 0
    knots: NDArray[np.float64] | None = None
    state: SearchState | None = None
    best_error: float = float("inf")
    best_state: SearchState | None = None

    @property
    def basis(self) -> SplineBasis:
        """Splines on the current knots."""
        assert self.knots is not None
        return SplineBasis(self.knots)


def find_transfer(
    train: Samples,
    held_out: Samples,
    *,
    receivers: Tensor,
    n_coefficients: tuple[int, ...],
    n_update_coefficients: int,
    starts: tuple[str, ...],
    max_iterations: int,
    ridge: float | None,
    one_update: bool,
    search: Search | None = None,
    on_progress: Callable[[Search], None] = lambda search: None,
) -> Search:
    """Finds the spline of psi.

    Args:
        train: Frames to fit.
        held_out: Frames that choose between starts.
        receivers: Neurons whose rates are fitted.
        n_coefficients: Spline coefficients of each stage.
        n_update_coefficients: Spline coefficients of phi.
        starts: Starting shapes.
        max_iterations: Upper bound of the Gauss-Newton steps per search.
        ridge: Relative ridge on W; None: by evidence.
        one_update: Whether all neurons have one update function.
        search: Where to go on.
        on_progress: Called after every step.

    Returns:
        The finished search: its ``state`` holds the coefficients on its ``basis``.
    """
    sample = subsample(train.x)
    if search is None:
        search = Search(knots=quantile_knots(sample, n_coefficients[0]))
    data = _DataMaker(train, held_out, receivers, sample, n_update_coefficients, one_update, ridge)

    def run(search: Search, fit_data: SearchData) -> Search:
        assert search.state is not None
        state = search_transfer(
            fit_data,
            search.state,
            max_iterations=max_iterations,
            on_iteration=lambda state: on_progress(replace(search, state=state)),
        )
        return replace(search, state=state)

    if search.stage == 0:
        fit_data, test_data = data.fitted(search.basis), data.tested(search.basis)
        scale = float(np.std(sample))
        while search.start < len(starts):
            if search.state is None:
                shape = starts[search.start]
                c = start_coefficients(search.basis, shape=shape, scale=scale)
                search = replace(search, state=SearchState(c))
            search = run(search, fit_data)
            assert search.state is not None
            error = held_out_error(fit_data, search.state, test_data)
            logger.info("start %r: held-out error %.2e", starts[search.start], error)
            agree = search.start > 0 and abs(error / search.best_error - 1) <= _AGREEMENT
            if error < search.best_error:
                search = replace(search, best_error=error, best_state=search.state)
            # Two ways in that end at the same place need no third.
            search = replace(search, start=len(starts) if agree else search.start + 1, state=None)
            on_progress(search)
        search = replace(search, state=search.best_state)
    for stage in range(max(search.stage, 1), len(n_coefficients)):
        if search.stage < stage:
            search = _refine(search, stage, sample, n_coefficients[stage])
        search = run(search, data.fitted(search.basis))
    return search


def distil_transfer(model: AssemblyGNN, basis: SplineBasis, c: NDArray, sample: NDArray) -> float:
    """The MLP of psi learns the spline with coefficients ``c``, but for a constant."""
    assert isinstance(model.transfer, MLP)
    points = fitting_points(basis)
    inputs = torch.as_tensor(points)[:, None] / model.activity_scale
    values = torch.as_tensor(basis.curve(c, points))
    density = visited_share(points, sample)
    placed = deepcopy(model.transfer)
    error = fit_mlp(model.transfer, inputs, values, density)
    if error > TOLERANCE:
        place_kinks(placed, basis.knots / model.activity_scale)
        other = fit_mlp(placed, inputs, values, density)
        if other < error:
            model.transfer.load_state_dict(placed.state_dict())
            error = other
    # What every neuron sends at rest belongs to the update functions: psi(0) = 0.
    with torch.no_grad():
        last = cast(nn.Linear, model.transfer.layers[-1])
        last.bias.sub_(model.transfer(torch.zeros(1, 1)))
    return error


def distil_update(
    model: AssemblyGNN, basis: SplineBasis, curves: Tensor, rows: Tensor, sample: NDArray
) -> float:
    """The MLP of phi learns curves of neurons at their latent vectors.

    Of some neurons, that cover all latent vectors, at all points; of others evenly at a few.
    Between the former the MLP would be free, and what latent vectors of one type scatter by would
    become a difference of their functions.

    Args:
        model: Its ``update`` learns, at its ``embedding``.
        basis: Splines of the curves.
        curves: Coefficients of every neuron ``(N, K)``, or of all together ``(1, K)``.
        rows: Neurons that cover all latent vectors.
        sample: Visited activity.
    """
    points = fitting_points(basis)
    a = model.embedding.detach().cpu().double()
    density = visited_share(points, sample)
    inputs, values, weights = [], [], []
    for row in rows.tolist():
        inputs.append(_with_latent(points / model.activity_scale, a[row]))
        values.append(basis.curve(curves[row].cpu().numpy(), points))
        weights.append(density)
    if len(a.unique(dim=0)) > len(rows):
        others = torch.linspace(0, len(curves) - 1, min(_N_SCATTERED, len(curves))).long()
        # Points of their own, so that together they are everywhere.
        levels = np.linspace(0, 1, len(others) * _SCATTERED_POINTS + 2)[1:-1]
        visited = np.quantile(sample, levels).reshape(_SCATTERED_POINTS, -1)
        share = len(rows) / visited.size
        for row, some in zip(others.tolist(), visited.T, strict=True):
            inputs.append(_with_latent(some / model.activity_scale, a[row]))
            values.append(basis.curve(curves[row].cpu().numpy(), some))
            weights.append(density.new_full((len(some),), share))
    targets = torch.as_tensor(np.concatenate(values))
    return fit_mlp(model.update, torch.cat(inputs), targets, torch.cat(weights))


def _with_latent(x: NDArray, a: Float[Tensor, " D"]) -> Float[Tensor, "M 1+D"]:
    return torch.cat([torch.as_tensor(x)[:, None], a.expand(len(x), -1)], dim=1)


class _DataMaker:
    """Builds the search's samples on given knots: fitted and held-out frames alike."""

    def __init__(
        self,
        train: Samples,
        held_out: Samples,
        receivers: Tensor,
        sample: NDArray,
        n_update_coefficients: int,
        one_update: bool,
        ridge: float | None,
    ) -> None:
        self.train, self.held_out, self.receivers = train, held_out, receivers
        self.update_basis = SplineBasis(quantile_knots(sample, n_update_coefficients))
        self.options = {"shared_update": one_update, "ridge": ridge}

    def fitted(self, basis: SplineBasis) -> SearchData:
        return self._make(self.train, basis)

    def tested(self, basis: SplineBasis) -> SearchData:
        return self._make(self.held_out, basis)

    def _make(self, samples: Samples, basis: SplineBasis) -> SearchData:
        return SearchData(
            samples.x,
            samples.y[:, self.receivers],
            self.receivers,
            transfer_basis=basis,
            update_basis=self.update_basis,
            **self.options,
        )


def _refine(search: Search, stage: int, sample: NDArray, n_coefficients: int) -> Search:
    """The same function on more knots, placed where it bends."""
    assert search.state is not None
    old, c = search.basis, search.state.coefficients
    knots = refined_knots(old, c, sample, n_coefficients)
    grid = np.linspace(knots[0], knots[-1], 8001)
    state = SearchState(
        SplineBasis(knots).project(grid, old.curve(c, grid)),
        damping=search.state.damping,
        ridge=search.state.ridge,
    )
    return replace(search, stage=stage, knots=knots, state=state)


def interpolate(x: Tensor, grid: NDArray, table: Tensor) -> Float[Tensor, "T N"]:
    """Linear interpolation of a table on a regular grid, constant outside; float64."""
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    position = ((x.double() - grid[0]) / step).clamp_(0, len(grid) - 1)
    index = position.long().clamp_(max=len(grid) - 2)
    position -= index
    return torch.lerp(table[index], table[index + 1], position)


def fitting_points(basis: SplineBasis, *, per_interval: int = 4) -> NDArray[np.float64]:
    """Some points to every interval between knots."""
    knots = basis.knots
    inner = np.linspace(knots[:-1], knots[1:], per_interval, endpoint=False, axis=1).ravel()
    return np.append(inner, knots[-1])


def visited_share(points: NDArray, sample: NDArray) -> Float[Tensor, " M"]:
    """Share of the activity that each point stands for, with a floor that keeps edges tame."""
    edges = np.concatenate([[-np.inf], (points[1:] + points[:-1]) / 2, [np.inf]])
    share = np.histogram(sample, bins=edges)[0] / len(sample)
    return torch.as_tensor(share + 0.1 / len(points))


def subsample(x: Tensor, n_most: int = 400_000) -> NDArray[np.float64]:
    """Some activity values, the extremes among them."""
    flat = x.flatten()
    step = max(1, len(flat) // n_most) | 1  # odd: does not fall in step with the neurons
    values = flat[::step].cpu().numpy().astype(np.float64)
    return np.concatenate([values, [float(flat.min()), float(flat.max())]])
