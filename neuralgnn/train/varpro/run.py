"""Variable projection on a recording: frames, seeds, resume points, checkpoint, history."""

__all__ = ["make_part", "run_varpro"]

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from neuralgnn.config.fit import FitConfig, VarproConfig
from neuralgnn.config.scatter import Plan
from neuralgnn.data import Recording, digest, provenance
from neuralgnn.data.provenance import code_digest
from neuralgnn.models import AssemblyGNN, build_model, save_checkpoint
from neuralgnn.train.progress import Progress
from neuralgnn.train.resume import ResumePoint
from neuralgnn.train.varpro.fit import Samples, Search, find_transfer
from neuralgnn.train.varpro.frames import FrameLoader, sample_sizes
from neuralgnn.train.varpro.grouped import fit_group_model
from neuralgnn.train.varpro.groups import GroupSearch, find_group_transfer
from neuralgnn.train.varpro.hidden import HiddenField
from neuralgnn.train.varpro.partfiles import PartFiles
from neuralgnn.train.varpro.parts import Maker, Product, assembled, make_all
from neuralgnn.train.varpro.pieces import Pieces
from neuralgnn.train.varpro.prune import prune_weights
from neuralgnn.train.varpro.search import SearchState
from neuralgnn.train.varpro.search_store import SearchStore, write_history
from neuralgnn.train.varpro.transfer import TransferSplines

logger = logging.getLogger(__name__)

_HELD_OUT_FRAMES = 1000
_COLUMNS = ("round", "stage", "start", "loss", "damping", "ridge")
_KINDS = (Search, SearchState, GroupSearch, TransferSplines)


def run_varpro(
    recording: Recording,
    config: FitConfig,
    *,
    out: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
    parts: Path | None = None,
) -> dict[str, Any]:
    """Fits a recording and writes ``checkpoint_*.pt`` and ``history.csv`` into ``out``.

    A killed run goes on from the last step of the search, kept in ``state``, and ends in the
    same bytes.

    Args:
        recording: Activity to fit.
        config: Settings; the trainer section is varpro's.
        out: Folder for the results.
        state: Folder for the resume point.
        seed: Seed of the fit: which neurons are searched with, how MLPs start.
        device: Where to compute.
        progress: Whether to show a bar.
        parts: Folder of what other jobs have made of this fit (:func:`make_part`), to be put
            together; None: all is made here.

    Returns:
        ``n_steps``, ``checkpoints`` (file and step of each) and numbers of the fit.

    Raises:
        ValueError: If the recording is too short, its activity does not determine W, or a part
            belongs to another fit.
        FileNotFoundError: If a part is missing.
    """
    fit = _Fit(recording, config, state=state, seed=seed, device=device, progress=progress)
    took: dict[str, Any] = {}
    if parts is not None:
        plan = _plan(config, recording)
        files = PartFiles(parts, key=fit.key_of(plan))
        products = {name: files.load(name) for name in plan.last}
        find = products["find"]
        model, errors = assembled(plan, products)
        error, history, left_out = find["error"], find["history"], find["n_left_out"]
        took = {"loop_seconds": files.seconds, "peak_mib": files.peak_mib, "parts": files.took}
    elif config.model.transfer_input == "activity":
        find = fit.find()
        plan = Plan()
        with Progress("varpro solve", len(plan.parts), show=progress) as bar:
            products = make_all(fit.maker(plan), find, on_part=lambda done, of: bar.to(done))
        model, errors = assembled(plan, products)
        error, history, left_out = find["error"], find["history"], find["n_left_out"]
    else:
        model, errors, error = fit.in_groups()
        history, left_out = fit.store.history, fit.load.n_left_out.get(fit.n_samples)
    logger.info("relative errors of the MLPs, and ridge: %s", errors)
    sparse = {}
    if fit.trainer.sparse is not None:
        share = prune_weights(
            model.to(device),
            fit.load(fit.train_frames, fit.n_samples),
            ridge=errors["ridge"],
            **fit.trainer.sparse.model_dump(),
        )
        logger.info("%.3g of the pairs are connected", share)
        sparse = {"connected_share": share}
    step = len(history)
    name = f"checkpoint_{step:08d}.pt"
    record = provenance(
        config.model_dump(mode="json"), stamp=False, recording=recording.digest, seed=seed
    )
    save_checkpoint(out / name, model, step=step, provenance=record)
    write_history(out / "history.csv", _COLUMNS, history)
    return {
        "n_steps": step,
        "checkpoints": [{"file": name, "step": step}],
        "n_samples": fit.n_samples,
        "n_search_samples": fit.n_search,
        "held_out_error": error,
        "ridge": errors.pop("ridge"),
        "distillation_error": errors,
        **({} if left_out is None else {"n_samples_left_out": left_out}),
        **took,
        **sparse,
    }


def make_part(
    recording: Recording,
    config: FitConfig,
    part: str,
    *,
    parts: Path,
    state: Path,
    seed: int,
    device: torch.device,
    progress: bool = True,
) -> None:
    """Makes one part of a fit that is cut into jobs, and leaves its product in a folder.

    Args:
        recording: Activity to fit.
        config: Settings; the trainer section is varpro's.
        part: Name of the part, see :class:`Plan`.
        parts: Folder of the parts that it needs, and of its own product.
        state: Folder for the resume point of the search.
        seed: Seed of the fit.
        device: Where to compute.
        progress: Whether to show a bar.

    Raises:
        ValueError: If the fit has no such part or is made in one job, a part that this one needs
            belongs to another fit, or the activity does not determine W.
        FileNotFoundError: If a part that this one needs is missing.
    """
    began = time.monotonic()
    fit = _Fit(recording, config, state=state, seed=seed, device=device, progress=progress)
    plan = _plan(config, recording)
    files = PartFiles(parts, key=fit.key_of(plan))
    needed = {name: files.load(name) for name in plan.needs(part)}
    made = fit.find() if part == "find" else fit.maker(plan).make(part, needed)
    files.save(part, made, seconds=time.monotonic() - began)
    logger.info("%s: made in %.1f s", files.path(part), time.monotonic() - began)


def _plan(config: FitConfig, recording: Recording) -> Plan:
    plan = config.scatter_plan(recording.n_neurons)
    if plan is None:
        raise ValueError(
            f"{recording.path} has {recording.n_neurons} neurons: this fit is made in one job; "
            "in several above trainer.scatter.above neurons, for a psi of the activity alone and "
            "without trainer.sparse"
        )
    return plan


class _Fit:
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

    def key_of(self, plan: Plan) -> str:
        """Key of the parts of this fit, which say neither their number nor their sizes."""
        return digest([self.key, plan.n_stretches, plan.n_row_blocks])

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
        by = self.config.model.transfer_input
        assert by != "activity"

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
                train=self.train,
                held_out=self.held_out,
                # Groups need no more; what drives neurons is estimated at them every time.
                solve=samples if hidden is None else self.train,
                by=by,
                order=self.order.to(device),
                n_receivers=trainer.n_receivers,
                n_coefficients=trainer.n_coefficients,
                n_update_coefficients=trainer.n_update_coefficients,
                n_latent=self.config.model.embedding_dim,
                max_groups=trainer.max_groups,
                min_share=trainer.min_group_share,
                max_iterations=trainer.max_iterations,
                ridge=trainer.ridge,
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
    """Numbers of the step that led to a state, see ``_COLUMNS``."""
    place = (
        (search.round, search.stage, min(search.receiving, len(search.states) - 1))
        if isinstance(search, GroupSearch)
        else (0, search.stage, search.start)
    )
    return *place, state.loss, state.damping, state.ridge
