r"""Transfer functions that differ between neurons, by groups found without labels.

Axes as in ``transfer``.

A psi of its own for every neuron has as many unknowns as there are neurons, and a recording rarely
determines them. But neurons that act alike on themselves are of one kind, and even with one psi
for all, which is wrong, the update functions phi_i come out well enough to cluster. So:

1. *Group*: with the psi found so far solve every neuron's phi_i, and cluster their latent vectors.
   If psi depends on the receiver, a neuron whose equation the functions of another group explain
   far better is with that group, whatever its phi_i: solved with functions that are not its own,
   phi_i bends to what makes up for them.
2. *Search*: a psi for every group of senders (and, if psi depends on the receiver, for every group
   of receivers) by the same Gauss-Newton steps as one psi for all (``search``).
3. Group again with what was found, until the groups stay and as long as the error on held-out time
   falls; then refine the knots, all functions sharing them.

Functions of different groups of receivers have nothing but their knots in common: they are
searched one group after the other.
"""

__all__ = ["GroupSearch", "GroupSettings", "find_group_transfer"]

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from neuralgnn.models.clustering import cluster_rows, in_order
from neuralgnn.train.varpro.fit import Samples, subsample
from neuralgnn.train.varpro.latent import fit_latent_curves
from neuralgnn.train.varpro.search import (
    SearchState,
    held_out_error,
    search_transfer,
)
from neuralgnn.train.varpro.search_data import SearchData, members_of
from neuralgnn.train.varpro.solve import solve_updates, unexplained_by_group
from neuralgnn.train.varpro.splines import SplineBasis, quantile_knots, refined_knots
from neuralgnn.train.varpro.transfer import TransferSplines

logger = logging.getLogger(__name__)

_MAX_ROUNDS = 5
_FAR = 10  # times as much of a target unexplained is far more


@dataclass(frozen=True)
class GroupSearch:
    """Where the search for the groups' functions stands: enough to continue it identically.

    Attributes:
        best: What had the smallest error on held-out time so far.
        best_error: That error.
        groups: Group of each neuron.
        knots: Knots of this stage.
        states: Search of every group of receivers; those before ``receiving`` are finished.
        errors: Errors on held-out time of the finished ones.
        round: How often neurons were grouped.
        stage: Index of the number of spline coefficients.
        finished: Whether nothing is left to do.
    """

    best: TransferSplines
    best_error: float
    groups: Int[Tensor, " N"]
    knots: NDArray[np.float64]
    states: tuple[SearchState, ...]
    errors: tuple[float, ...] = ()
    round: int = 1
    stage: int = 0
    finished: bool = False

    @property
    def receiving(self) -> int:
        """Group of receivers that is searched for."""
        return len(self.errors)

    @property
    def found(self) -> TransferSplines:
        """The functions where they stand."""
        coefficients = np.stack([state.coefficients for state in self.states])
        ridge = max(state.ridge for state in self.states)
        return TransferSplines(self.knots, coefficients, self.groups, ridge)


@dataclass(frozen=True)
class GroupSettings:
    """How groups, and their functions, are searched.

    Attributes:
        by: Whether psi depends on the sender or on the pair of receiver and sender.
        n_receivers: Receivers that are searched with, for a psi of the pair of each group.
        n_coefficients: Spline coefficients of each stage.
        n_update_coefficients: Spline coefficients of phi.
        n_latent: Length of the latent vectors that are clustered.
        max_groups: Largest number of groups.
        min_share: Smaller groups are merged [1].
        max_iterations: Upper bound of the Gauss-Newton steps per search.
        ridge: Relative ridge on W; None: by evidence.
    """

    by: Literal["sender", "pair"]
    n_receivers: int
    n_coefficients: Sequence[int]
    n_update_coefficients: int
    n_latent: int
    max_groups: int
    min_share: float
    max_iterations: int
    ridge: float | None


def find_group_transfer(
    shared: TransferSplines,
    shared_error: float,
    settings: GroupSettings,
    *,
    train: Samples,
    held_out: Samples,
    solve: Samples,
    order: Int[Tensor, " N"],
    prepare: Callable[[Samples, TransferSplines], Samples] = lambda samples, transfer: samples,
    search: GroupSearch | None = None,
    on_progress: Callable[[GroupSearch], None] = lambda search: None,
) -> tuple[TransferSplines, float]:
    """Finds a psi for each group of neurons.

    Args:
        shared: One psi for all, where the search starts.
        shared_error: Its error on held-out time.
        settings: How it is searched.
        train: Frames to search with.
        held_out: Frames that decide.
        solve: Frames to solve the update functions with.
        order: Neurons in the order in which receivers are taken; those that something unknown
            drives left out.
        prepare: Finds what drives neurons, for the psi found so far, before their update
            functions are solved.
        search: Where to go on.
        on_progress: Called after every step.

    Returns:
        The functions with the smallest error on held-out time, and that error; those of
        ``shared``, if telling neurons apart does not lower it.
    """
    finder = _Finder(settings, shared, train, held_out, solve, order, prepare)
    if search is None:
        search = finder.started(shared, shared_error, finder.grouped(shared), round=1)
    while not search.finished:
        while search.receiving < len(search.states):
            search = finder.searched(search, on_progress)
        search = finder.next(_judged(search))
        on_progress(search)
    return search.best, search.best_error


@dataclass(frozen=True)
class _Finder:
    """Groups neurons, and searches a psi for the groups; see :func:`find_group_transfer`."""

    settings: GroupSettings
    shared: TransferSplines
    train: Samples
    held_out: Samples
    solve: Samples
    order: Int[Tensor, " N"]
    prepare: Callable[[Samples, TransferSplines], Samples]

    @cached_property
    def sample(self) -> NDArray[np.float64]:
        """Some of the activity."""
        return subsample(self.train.x)

    @cached_property
    def update_basis(self) -> SplineBasis:
        """Basis of the update functions while psi is searched."""
        return SplineBasis(quantile_knots(self.sample, self.settings.n_update_coefficients))

    def grouped(self, transfer: TransferSplines) -> Int[Tensor, " N"]:
        """Group of each neuron, by the update functions that a psi leaves to it."""
        knots = refined_knots(
            transfer.basis,
            transfer.all_functions,
            self.sample,
            self.settings.n_update_coefficients,
        )
        samples, basis = self.prepare(self.solve, transfer), SplineBasis(knots)
        updates = solve_updates(samples, transfer, basis)
        latent = fit_latent_curves(
            updates.coefficients, updates.information, n_latent=self.settings.n_latent
        ).latent
        labels = cluster_rows(
            latent.cpu().numpy(),
            max_clusters=self.settings.max_groups,
            min_share=self.settings.min_share,
            seed=0,
        )
        groups = torch.from_numpy(labels).to(self.train.x.device)
        suspects = _suspects(updates.unexplained, transfer.groups)
        if transfer.n_receiving > 1 and len(suspects):
            by_group = unexplained_by_group(samples, transfer, basis, suspects)
            groups = _moved(groups, transfer.groups, suspects, by_group)
        logger.info("groups of %s neurons", groups.bincount().tolist())
        return groups

    def started(
        self, best: TransferSplines, error: float, groups: Int[Tensor, " N"], round: int
    ) -> GroupSearch:
        """A search for these groups, which all start with the one psi of all."""
        n_groups = int(groups.max()) + 1
        functions = np.repeat(self.shared.coefficients[0], n_groups, axis=0)
        start = SearchState(functions, ridge=self.shared.ridge)
        states = (start,) * (n_groups if self.settings.by == "pair" else 1)
        return GroupSearch(best, error, groups, self.shared.knots, states, round=round)

    def searched(
        self, search: GroupSearch, on_progress: Callable[[GroupSearch], None]
    ) -> GroupSearch:
        """The search after that of the functions towards the next group of receivers."""
        r = search.receiving
        everyone = self.settings.by == "sender"
        among = self.order if everyone else self.order[search.groups[self.order] == r]
        receivers = among[: self.settings.n_receivers].sort().values

        def at(state: SearchState) -> GroupSearch:
            states = (*search.states[:r], state, *search.states[r + 1 :])
            return replace(search, states=states)

        fitted = self._data(self.train, search, receivers)
        state = search_transfer(
            fitted,
            search.states[r],
            max_iterations=self.settings.max_iterations,
            on_iteration=lambda state: on_progress(at(state)),
        )
        error = held_out_error(fitted, state, self._data(self.held_out, search, receivers))
        return replace(at(state), errors=(*search.errors, error))

    def next(self, search: GroupSearch) -> GroupSearch:
        """What follows a stage that is done: other groups, more knots, or nothing."""
        better = search.best_error == float(np.mean(search.errors))
        renewed = better and search.stage == 0
        groups = self.grouped(search.best) if renewed else search.groups
        if search.round < _MAX_ROUNDS and not _same(groups, search.groups):
            return self.started(search.best, search.best_error, groups, search.round + 1)
        if search.stage + 1 < len(self.settings.n_coefficients):
            return _refined(search, self.sample, self.settings.n_coefficients[search.stage + 1])
        return replace(search, finished=True)

    def _data(
        self, samples: Samples, search: GroupSearch, receivers: Int[Tensor, " R"]
    ) -> SearchData:
        return SearchData(
            samples.x,
            samples.y[:, receivers],
            receivers,
            transfer_basis=SplineBasis(search.knots),
            update_basis=self.update_basis,
            groups=search.groups,
            ridge=self.settings.ridge,
        )


def _judged(search: GroupSearch) -> GroupSearch:
    """The search after a stage, what was found being kept if it is the best so far."""
    error = float(np.mean(search.errors))
    logger.info("round %d, stage %d: held-out error %.2e", search.round, search.stage, error)
    if error < search.best_error:
        return replace(search, best=search.found, best_error=error)
    return search


def _suspects(unexplained: Float[Tensor, " N"], groups: Int[Tensor, " N"]) -> Int[Tensor, " S"]:
    """Neurons of whose targets far more is left than of most in their groups."""
    usual = torch.stack([unexplained[members].median() for members in members_of(groups)])
    return (unexplained > _FAR * usual[groups]).nonzero()[:, 0]


def _moved(
    groups: Int[Tensor, " N"],
    receiving: Int[Tensor, " N"],
    suspects: Int[Tensor, " S"],
    unexplained: Float[Tensor, "R S"],
) -> Int[Tensor, " N"]:
    """Puts neurons to those whose functions explain them far better than their own do.

    Args:
        groups: New group of each neuron.
        receiving: The group whose functions it receives with.
        suspects: Neurons that may be moved.
        unexplained: What each group's functions leave of their targets.
    """
    groups = groups.clone()
    left, best = unexplained.min(0)
    own = unexplained.gather(0, receiving[suspects][None])[0]
    better = _FAR * left < own
    for neuron, other in zip(suspects[better], best[better], strict=True):
        groups[neuron] = groups[receiving == other].mode().values
    return torch.from_numpy(in_order(groups.cpu().numpy())).to(groups.device)


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether two numberings by first appearance are one partition."""
    return bool((first == second).all())


def _refined(search: GroupSearch, sample: NDArray, n_coefficients: int) -> GroupSearch:
    """The best functions on more knots, placed where one of them bends."""
    old = search.best
    knots = refined_knots(old.basis, old.all_functions, sample, n_coefficients)
    grid = np.linspace(knots[0], knots[-1], 8001)
    basis = SplineBasis(knots)
    states = tuple(
        SearchState(basis.project(grid, old.basis.curve(functions.T, grid)).T, ridge=old.ridge)
        for functions in old.coefficients
    )
    return replace(
        search,
        groups=old.groups,
        knots=knots,
        states=states,
        errors=(),
        stage=search.stage + 1,
    )
