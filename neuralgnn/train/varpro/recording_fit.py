"""A fit by variable projection of one recording, with its frames, seeds and resume point."""

__all__ = ["COLUMNS", "Made", "RecordingFit"]

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from numpy.typing import NDArray

from neuralgnn.config.fit import FitConfig, VarproConfig
from neuralgnn.config.scatter import Plan
from neuralgnn.data import Recording, digest
from neuralgnn.data.provenance import code_digest
from neuralgnn.models import AssemblyGNN, build_model
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.varpro.fit import Samples, Search, find_transfer
from neuralgnn.train.varpro.frames import FrameLoader, sample_sizes
from neuralgnn.train.varpro.grouped import fit_group_model
from neuralgnn.train.varpro.groups import GroupSearch, GroupSettings, find_group_transfer
from neuralgnn.train.varpro.hidden import HiddenField
from neuralgnn.train.varpro.partfiles import PartFiles
from neuralgnn.train.varpro.parts import Maker, Product, assembled, make_all
from neuralgnn.train.varpro.pieces import Pieces
from neuralgnn.train.varpro.prune import prune_weights
from neuralgnn.train.varpro.search import SearchState
from neuralgnn.train.varpro.search_store import SearchStore
from neuralgnn.train.varpro.transfer import TransferSplines

logger = logging.getLogger(__name__)

COLUMNS = ("round", "stage", "start", "loss", "damping", "ridge")
"""Of the history of a fit, one row for each step of its searches."""

_HELD_OUT_FRAMES = 1000
_KINDS = (Search, SearchState, GroupSearch, TransferSplines)


class Made(NamedTuple):
    """A fitted model, and how it was fitted."""

    model: AssemblyGNN
    errors: dict[str, float]  # of the MLPs, and the ridge
    held_out_error: float
    history: list[list[float]]
    n_left_out: int | None

    @classmethod
    def of(cls, plan: Plan, products: Mapping[str, Product]) -> Self:
        """From the last products of a plan."""
        found = products["find"]
        return cls(
            *assembled(plan, products), found["error"], found["history"], found["n_left_out"]
        )


class RecordingFit:
    """What follows from recording, settings and seed before anything is fitted."""

    def __init__(
        self,
        recording: Recording,
        config: FitConfig,
        *,
        state: Path,
        seed: int,
        device: torch.device,
        progress: bool,
    ) -> None:
        trainer = config.trainer
        assert isinstance(trainer, VarproConfig)
        self.recording, self.config, self.trainer = recording, config, trainer
        self.device, self.progress = device, progress
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(recording.n_neurons, generator=self.generator)
        self.hidden = HiddenField.of(config, recording, device=device)
        if self.hidden is not None:
            self.order = self.hidden.without_driven(self.order)
        settings = config.model_dump(
            mode="json",
            exclude={name: True for name in FitConfig.HOW_IT_RUNS} | {"trainer": {"scatter"}},
        )
        code = code_digest("neuralgnn.models", "neuralgnn.train")
        self.key = digest([settings, recording.digest, seed, device.type, torch.__version__, code])
        point = ResumePoint(state / "varpro.pt", key=self.key)
        self.store = SearchStore(point, kinds=_KINDS)
        train_frames, held_out_frames = recording.split(config.validation_fraction)
        self.n_search, self.n_samples = sample_sizes(
            trainer, recording.n_neurons, len(train_frames), kind=config.target.kind
        )
        # Frames t whose finite difference at t + 1 exists and stays on the same side of the split.
        self.train_frames, self.held_out_frames = train_frames[:-1], held_out_frames[:-1]
        self.load = FrameLoader(
            recording,
            config.target.kind,
            device,
            reference=self.train_frames,
            max_deviation=trainer.max_deviation,
        )

    @property
    def plan(self) -> Plan:
        """What the fit is cut into.

        Raises:
            ValueError: If it is made in one job.
        """
        plan = self.config.scatter_plan(self.recording.n_neurons)
        if plan is None:
            raise ValueError(
                f"{self.recording.path} has {self.recording.n_neurons} neurons: this fit is made "
                "in one job; in several above trainer.scatter.above neurons, for a psi of the "
                "activity alone and without trainer.sparse"
            )
        return plan

    def files(self, folder: Path) -> PartFiles:
        """Parts of this fit in a folder; their key says neither their number nor their sizes."""
        key = digest([self.key, self.plan.n_stretches, self.plan.n_row_blocks])
        return PartFiles(folder, key=key)

    @cached_property
    def train(self) -> Samples:
        """Frames of the search."""
        return self.load(self.train_frames, self.n_search)

    @cached_property
    def held_out(self) -> Samples:
        """Frames that choose between searches."""
        return self.load(self.held_out_frames, min(_HELD_OUT_FRAMES, len(self.held_out_frames)))

    @cached_property
    def pieces(self) -> Pieces:
        """Frames of the solve."""

        def read(frames: NDArray) -> tuple[torch.Tensor, torch.Tensor]:
            samples = self.load.at(frames)
            return samples.x, samples.y

        return Pieces(
            read,
            self.load.chosen(self.train_frames, self.n_samples),
            n_neurons=self.recording.n_neurons,
        )

    def made_of(self, parts: Path) -> tuple[Made, dict[str, Any]]:
        """The fit put together from what other jobs have made, and what these took."""
        plan = self.plan
        files = self.files(parts)
        products = {name: files.load(name) for name in plan.last}
        took = {"loop_seconds": files.seconds, "peak_mib": files.peak_mib, "parts": files.took}
        return Made.of(plan, products), took

    def made(self) -> Made:
        """The fit, all of it made here."""
        if self.config.model.transfer_input != "activity":
            model, errors, error = self.in_groups()
            left_out = self.load.n_left_out.get(self.n_samples)
            return Made(model, errors, error, self.store.history, left_out)
        found, plan = self.find(), Plan()
        with Progress("varpro solve", len(plan.parts), show=self.progress) as bar:
            products = make_all(self.maker(plan), found, on_part=lambda done, of: bar.to(done))
        return Made.of(plan, products)

    def pruned(self, made: Made) -> dict[str, float]:
        """Sets weights that nothing speaks for to zero; the share of the pairs that is left."""
        sparse = self.trainer.sparse
        assert sparse is not None
        share = prune_weights(
            made.model.to(self.device),
            self.load(self.train_frames, self.n_samples),
            ridge=made.errors["ridge"],
            **sparse.model_dump(),
        )
        logger.info("%.3g of the pairs are connected", share)
        return {"connected_share": share}

    def find(self) -> Product:
        """Searches psi; what the parts of the fit need of it."""
        search = self.search()
        assert search.state is not None and search.knots is not None
        del self.train, self.held_out
        sample, scale = self.pieces.survey()
        return {
            "knots": torch.as_tensor(search.knots),
            "coefficients": torch.as_tensor(search.state.coefficients),
            "ridge": search.state.ridge,
            "sample": torch.as_tensor(sample),
            "scale": scale,
            "n_left_out": self.load.n_left_out.get(self.n_samples),
            "one_update": self.config.model.embedding == "fixed",
            "error": search.best_error,
            "history": self.store.history,
        }

    def search(self) -> Search:
        """Searches one psi for all neurons, or goes on with it."""
        trainer, by = self.trainer, self.config.model.transfer_input
        with self._bar() as on_progress:
            return find_transfer(
                self.train,
                self.held_out,
                receivers=self.order[: trainer.n_receivers].sort().values.to(self.device),
                # Splines that only have to tell groups of neurons apart stay coarse.
                n_coefficients=trainer.n_coefficients[: None if by == "activity" else 1],
                n_update_coefficients=trainer.n_update_coefficients,
                starts=trainer.starts,
                max_iterations=trainer.max_iterations,
                ridge=trainer.ridge,
                one_update=self.config.model.embedding == "fixed",
                search=self.store.load("shared"),
                on_progress=on_progress,
            )

    def maker(self, plan: Plan) -> Maker:
        """What makes all other parts of a fit with a psi of the activity alone."""
        return Maker(
            self.pieces,
            plan,
            new_model=self.new_model,
            n_update_coefficients=self.trainer.n_update_coefficients,
            ridge=self.trainer.ridge,
            device=self.device,
        )

    def new_model(self, scale: float) -> AssemblyGNN:
        """A freshly initialised model."""
        return build_model(
            self.config.model,
            n_neurons=self.recording.n_neurons,
            activity_scale=scale,
            generator=self.generator,
            n_frames=self.recording.n_frames,
        )

    def in_groups(self) -> tuple[AssemblyGNN, dict[str, float], float]:
        """Fits a psi that differs between groups of neurons, driven or not.

        Returns:
            The model, numbers of its fit, the error on held-out frames.
        """
        trainer, hidden, device = self.trainer, self.hidden, self.device
        samples = self.load(self.train_frames, self.n_samples)

        def prepare(samples: Samples, transfer: TransferSplines) -> Samples:
            if hidden is None:
                return samples
            return hidden.driven(samples, hidden.estimate(samples, transfer))

        search = self.search()
        assert search.state is not None and search.knots is not None
        with self._bar() as on_progress:
            transfer, error = find_group_transfer(
                TransferSplines(
                    search.knots,
                    search.state.coefficients[None, None],
                    torch.zeros(self.recording.n_neurons, dtype=torch.long, device=device),
                    search.state.ridge if trainer.ridge is None else trainer.ridge,
                ),
                search.best_error,
                self._group_settings,
                train=self.train,
                held_out=self.held_out,
                # Groups need no more; what drives neurons is estimated at them every time.
                solve=samples if hidden is None else self.train,
                order=self.order.to(device),
                prepare=prepare,
                search=self.store.load("groups"),
                on_progress=on_progress,
            )
        model = self.new_model(float(samples.x.std()))
        options = {
            "n_update_coefficients": trainer.n_update_coefficients,
            "generator": self.generator,
        }
        if hidden is None:
            errors = fit_group_model(model, samples, transfer, **options)
            return model, errors, error
        drive = hidden.estimate(self.train, transfer)
        drive = hidden.estimate(samples, transfer, start=drive)
        samples = hidden.driven(samples, drive)
        errors = fit_group_model(model, samples, transfer, **options)
        errors |= hidden.learn(model, samples, transfer, drive, generator=self.generator)
        return model, errors, error

    @property
    def _group_settings(self) -> GroupSettings:
        trainer, by = self.trainer, self.config.model.transfer_input
        assert by != "activity"
        return GroupSettings(
            by=by,
            n_receivers=trainer.n_receivers,
            n_coefficients=trainer.n_coefficients,
            n_update_coefficients=trainer.n_update_coefficients,
            n_latent=self.config.model.embedding_dim,
            max_groups=trainer.max_groups,
            min_share=trainer.min_group_share,
            max_iterations=trainer.max_iterations,
            ridge=trainer.ridge,
        )

    @contextmanager
    def _bar(self) -> Iterator[Callable[[Search | GroupSearch], None]]:
        """A bar; gives what keeps and shows every step of a search."""
        trainer = self.trainer
        bound = trainer.max_iterations * (len(trainer.starts) + len(trainer.n_coefficients) - 1)
        with Progress("varpro search, at most", bound, show=self.progress) as bar:

            def on_progress(search: Search | GroupSearch) -> None:
                part = "groups" if isinstance(search, GroupSearch) else "shared"
                state = _stepped(search)
                step = None if state is None else _step(search, state)
                self.store.save(search, step=step, part=part)
                if state is not None:
                    bar.to(len(self.store.history), stage=search.stage, loss=state.loss)

            yield on_progress


def _stepped(search: Search | GroupSearch) -> SearchState | None:
    """The state that the last step led to; None between searches."""
    if isinstance(search, Search):
        state = search.state
    else:
        state = search.states[search.receiving] if search.receiving < len(search.states) else None
    return None if state is None or state.iteration == 0 else state


def _step(search: Search | GroupSearch, state: SearchState) -> tuple[float, ...]:
    """Numbers of the step that led to a state, see ``COLUMNS``."""
    place = (
        (search.round, search.stage, min(search.receiving, len(search.states) - 1))
        if isinstance(search, GroupSearch)
        else (0, search.stage, search.start)
    )
    return *place, state.loss, state.damping, state.ridge
