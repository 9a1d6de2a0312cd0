"""An experiment: one YAML file from simulation to the numbers it is compared with."""

__all__ = [
    "Collection",
    "ExperimentConfig",
    "Simulation",
    "WorkflowConfig",
    "read_simulation",
    "with_kind",
]

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.base import Name, Section, Seed
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.fly import FlyConfig
from neuralgnn.config.plot import PlotConfig
from neuralgnn.config.simulation import SimulationConfig

Item = TypeVar("Item")


def _distinct(values: tuple[Item, ...]) -> tuple[Item, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"found {twice[0]!r} twice; each may occur once")
    return values


def _folder(path: str) -> str:
    """A folder that is one: wildcards would be filled in, and .. leads out of a copied run."""
    if path != path.strip() or not path.isprintable() or set(path) & set("{}*?"):
        raise ValueError(f"found {path!r}; a folder has no {{}}*?, no blanks at its ends")
    if ".." in path.split("/"):
        raise ValueError(f"found {path!r}; give a folder below this one, or a path from /")
    return path


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)]
Figure = Literal[
    "fig_2",
    "supp_1",
    "supp_2",
    "supp_3",
    "supp_4",
    "supp_5",
    "supp_6",
    "supp_7",
    "supp_7_progress",
    "supp_8",
    "supp_9",
    "supp_10",
    "supp_11",
    "supp_12",
    "assemblies",
    "supp_13",
    "supp_14",
    "fig_3",
    "supp_15",
    "identifiability",
    "analysis",
    "seeds",
    "summary",
    "fly",
    "fly_spectra",
    "fly_types",
    "fly_circuit",
    "fly_rollout",
    "fly_probes",
    "fly_stimulus",
    "fly_perturbed",
    "fly_length",
]


# Names of rules, and of files beside those of the collections.
_TARGETS = frozenset(
    {
        "all",
        "simulate",
        "simulate_all",
        "simulate_fly",
        "discard_recording",
        "train",
        "train_all",
        "train_part",
        "select",
        "analyse",
        "analyse_all",
        "analyse_graph",
        "probe",
    }
    | {"figure", "figure_of_fit", "figures", "figures_all", "table", "metrics", "report"}
)

Simulation = Annotated[SimulationConfig | FlyConfig, Field(discriminator="kind")]


def read_simulation(values: Mapping[str, Any]) -> SimulationConfig | FlyConfig:
    """The simulation that plain values describe, an assembly unless they say otherwise."""
    return _SIMULATION.validate_python(with_kind({"simulation": values})["simulation"])


def with_kind(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of an experiment with the kind of simulation filled in.

    A validator before the model's cannot do this: under it pydantic takes JSON's lists for
    Python's and refuses them as tuples.
    """
    simulation = values.get("simulation")
    if not isinstance(simulation, Mapping):
        return dict(values)
    return {**values, "simulation": {"kind": "assembly", **simulation}}


_SIMULATION = TypeAdapter[SimulationConfig | FlyConfig](Simulation)


class ExperimentConfig(Section):
    """One experiment file, ``config/experiments/<name>.yaml``."""

    extends: Name | None = None
    """Experiment whose simulation, fits and analysis are taken where this file says nothing."""
    title: Annotated[str, Field(min_length=1)]
    """What the experiment shows, in one line."""
    source: str = ""
    """Where the experiment was published."""
    simulation: Simulation
    """How the activity is made; without a kind, by an assembly."""
    fits: Annotated[dict[Name, FitConfig], Field(min_length=1)]
    """Fits of the same recording, by name."""
    analysis: AnalysisConfig = AnalysisConfig()
    """How each fit is judged."""
    published: dict[Name, float] = {}
    """Published values by metric name; shown beside ours, never used."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, fit in self.fits.items():
            on_graph = fit.trainer.kind in ("varpro_graph", "sgd_graph")
            if on_graph != (self.simulation.kind == "fly"):
                allowed = "sgd, varpro" if on_graph else "varpro_graph, sgd_graph"
                raise ValueError(
                    f"fits.{name}.trainer.kind is {fit.trainer.kind!r}, but simulation.kind is "
                    f"{self.simulation.kind!r}; allowed: {allowed}"
                )
            if fit.target.kind == "drift" and not self.simulation.record_drift:
                raise ValueError(
                    f"fits.{name}.target is 'drift', but simulation.record_drift is false: the "
                    "recording would not contain it"
                )
            held_out = int(self.simulation.n_frames * fit.validation_fraction)
            rollout = self.analysis.rollout
            if held_out < rollout.n_frames + 1:
                raise ValueError(
                    f"fits.{name}.validation_fraction holds out {held_out} frames, too few for "
                    f"analysis.rollout.n_frames = {rollout.n_frames}"
                )
        driven = self.simulation.kind != "fly" and self.simulation.external_input.kind != "none"
        if driven and self.analysis.changed_networks:
            raise ValueError(
                "analysis.changed_networks is not possible with simulation.external_input: the "
                "movie belongs to the recorded network"
            )
        n_types = 0 if self.simulation.kind == "fly" else len(self.simulation.neuron_types)
        for name, changed in self.analysis.changed_networks.items():
            if not n_types:
                raise ValueError(
                    f"analysis.changed_networks.{name} changes types and connections of an "
                    "assembly; simulation.kind is 'fly'"
                )
            if len(changed.type_fractions) != n_types:
                raise ValueError(
                    f"analysis.changed_networks.{name}.type_fractions has "
                    f"{len(changed.type_fractions)} entries for {n_types} neuron_types"
                )
        return self


class Collection(Section):
    """A part of the workflow that is built by its name, with a table and a report of its own."""

    experiments: Annotated[dict[Name, Seeds], Field(min_length=1)]
    """Seeds of each experiment, by the name of its file in ``config/experiments``."""
    figures: Annotated[tuple[Figure, ...], AfterValidator(_distinct)] = ()
    """Figures to draw."""


class WorkflowConfig(Collection):
    """``config/config.yaml``: which experiments, seeds, figures and scale.

    What stands at the top is built by default; each collection by ``snakemake NAME``.
    """

    results: Annotated[str, Field(min_length=1), AfterValidator(_folder)] = "results"
    """Folder that everything is written to."""
    keep_recordings: bool = True
    """Whether recordings stay once all that is made from them is there. A fly at its full size
    takes 8 GB for each seed; without, a run needs room only for those in work."""
    plot: PlotConfig = PlotConfig()
    """How figures look; a change draws them anew and computes nothing."""
    collections: dict[Name, Collection] = {}
    """Further parts by name; an experiment may be in several, its jobs run once."""
    overrides: dict[Annotated[str, Field(min_length=1)], object] = {}
    """Values laid over every experiment file, by dotted key: the scale of the run."""

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        taken = sorted(set(self.collections) & _TARGETS)
        if taken:
            raise ValueError(
                f"collections.{taken[0]}: the name is that of a rule or file of the workflow; "
                f"allowed: any but {', '.join(sorted(_TARGETS))}"
            )
        return self
