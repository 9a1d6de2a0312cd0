"""What all rules share: settings, paths, targets, digests of the code."""

import os
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from neuralgnn.config.errors import ConfigError
from neuralgnn.config.fly import checkpoint_path
from neuralgnn.config.scatter import (
    FIT_MIB,
    PARTS,
    analysis_mib,
    assembly_mib,
    fit_mib,
    part_mib,
    part_threads,
)
from neuralgnn.data.cost import COMMAND, typed_command
from neuralgnn.data.provenance import digest
from neuralgnn.plot.figures import FIGURES, Need
from neuralgnn.steps.code import code_digest
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.project import (
    experiments_without_figure,
    figure_sources,
    fit_seeds,
    fits,
    fits_together,
    open_project,
)
from neuralgnn.steps.summary import run_summary


def read_project():
    """Settings of this run; our own message about what is wrong in them comes first."""
    given = workflow.overwrite_configfiles
    if len(given) > 1:
        raise WorkflowError(
            f"found {len(given)} --configfile, allowed: one (it is complete)"
        )
    path = given[0] if given else "config/config.yaml"
    try:
        return open_project(path, overlay=workflow.config_settings.config)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def refuse_changed(project):
    """A job that reads the settings anew, as on a cluster, finds those that its run began with.

    Otherwise results of changed settings would be kept under the old ones.
    """
    settings = [project.workflow, *project.experiments.values()]
    found = digest([section.model_dump(mode="json") for section in settings])
    begun = os.environ.setdefault("NEURALGNN_RUN_SETTINGS", found)
    if begun != found:
        raise WorkflowError(
            f"{project.source.path} or one of its experiments was changed while the run goes on: "
            "this job would use other settings than the jobs before it. Start the run again; "
            "what the change touches is done anew"
        )


PROJECT = read_project()
refuse_changed(PROJECT)
# What results of its jobs say they come from.
os.environ.setdefault(COMMAND, typed_command())
STARTED = time.time()
PLOT = PROJECT.workflow.plot.model_dump(mode="json")
SCHEMAS = Path(workflow.basedir) / "workflow" / "schemas"
ENVIRONMENT = Path(workflow.basedir) / "envs" / "cpu.yaml"

validate(
    PROJECT.workflow.model_dump(mode="json"),
    SCHEMAS / "workflow.schema.json",
    set_default=False,
)
for experiment in PROJECT.experiments.values():
    validate(
        experiment.model_dump(mode="json"),
        SCHEMAS / "experiment.schema.json",
        set_default=False,
    )


# Paths. A zarr store is named by its zarr.json, which is written last.
RESULTS = PROJECT.workflow.results
SEED = f"{RESULTS}/{{experiment}}/seed_{{seed}}"
RECORDING = f"{SEED}/activity.zarr/zarr.json"
TEST_RECORDING = f"{SEED}/test.zarr/zarr.json"
RECORD = f"{SEED}/recording.json"  # of a recording that is no longer there
FIT = FitFolder(Path(SEED) / "{fit}")
FIGURE = f"{RESULTS}/figures/{{figure}}"
FIT_FIGURE = f"{SEED}/{{fit}}/figures/{{figure}}"
SEEDS_FIGURE = f"{RESULTS}/{{experiment}}/all_seeds/{{fit}}/figures/{{figure}}"
TABLE = f"{RESULTS}/tables/{{part}}.csv"
SUMMARY = f"{RESULTS}/tables/{{part}}_summary.csv"
PAGE = f"{RESULTS}/{{page}}.html"
REPORT = PAGE.format(page="report")
STATE = f"{RESULTS}/.state/{{experiment}}/seed_{{seed}}/{{fit}}"
STATE_TOGETHER = f"{RESULTS}/.state/{{experiment}}/seeds_from_{{seed}}/{{fit}}"
PART = f"{STATE}/parts/{{part}}.pt"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"


wildcard_constraints:
    experiment="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    fit="[a-z][a-z0-9_]*",
    network="[a-z][a-z0-9_]*",
    figure="|".join(FIGURES),
    part="|".join(["metrics", *PROJECT.workflow.collections]),
    page="|".join(["report", *PROJECT.workflow.collections]),


# Experiments whose neurons are connected by a given graph have an analysis of their own.
GRAPHS = [
    name
    for name, experiment in PROJECT.experiments.items()
    if experiment.simulation.kind == "fly"
]
NEVER = "(?!)"
OF_GRAPH = "|".join(GRAPHS) or NEVER
OF_ASSEMBLY = "|".join(set(PROJECT.experiments) - set(GRAPHS)) or NEVER


def store(name):
    """A store of the analysis of a fit, as a file."""
    return f"{FIT.store(name)}/zarr.json"


def growing(amount):
    """Memory or time that grows with every attempt: what was too little is not asked for again."""

    def of_attempt(wildcards, attempt):
        return amount * attempt

    return of_attempt


# Settings of a rule: plain values of just what it reads.


def simulation_of(wildcards):
    return experiment_of(wildcards).simulation.model_dump(mode="json")


def fit_of(wildcards):
    """Settings of a fit; for which seeds, and in which job, is not the fit's business."""
    known = experiment_of(wildcards).fits
    if wildcards.fit not in known:
        raise WorkflowError(
            f"experiment {wildcards.experiment!r} has no fit {wildcards.fit!r}; "
            f"it has: {', '.join(known)}"
        )
    return settings_of_fit(wildcards.experiment, wildcards.fit)


def settings_of_fit(experiment, fit):
    config = PROJECT.experiments[experiment].fits[fit]
    return config.model_dump(mode="json", exclude={"seeds", "together"})


def analysis_of(wildcards):
    return experiment_of(wildcards).analysis.model_dump(mode="json")


def probes_of(wildcards):
    return experiment_of(wildcards).analysis.probes.model_dump(mode="json")


def published_of(wildcards):
    """Published numbers by metric, in a fixed order."""
    return dict(sorted(experiment_of(wildcards).published.items()))


def experiment_of(wildcards):
    if wildcards.experiment not in PROJECT.experiments:
        raise WorkflowError(
            f"{PROJECT.source.path} names no experiment {wildcards.experiment!r}; "
            f"it names: {', '.join(PROJECT.experiments)}"
        )
    return PROJECT.experiments[wildcards.experiment]


def plan_of(wildcards):
    """What a fit is cut into; None: it is made in one job."""
    experiment, _ = experiment_of(wildcards), fit_of(wildcards)
    if experiment.simulation.kind == "fly":
        return None
    return experiment.fits[wildcards.fit].scatter_plan(experiment.simulation.n_neurons)


def parts_before(wildcards):
    """Files of the parts that a part is made from."""
    plan = plan_of(wildcards)
    if plan is None:
        raise WorkflowError(
            f"fit {wildcards.fit!r} of {wildcards.experiment!r} is made in one job: it has no "
            f"part {wildcards.part!r}; see trainer.scatter.above"
        )
    try:
        return part_files(wildcards, plan.needs(wildcards.part))
    except ValueError as error:
        raise WorkflowError(str(error)) from None


def last_parts(wildcards):
    """Files of the parts that a model is put together from; none where it is made in one job."""
    plan = plan_of(wildcards)
    return [] if plan is None else part_files(wildcards, plan.last)


def part_files(wildcards, names):
    of = {name: wildcards[name] for name in ("experiment", "seed", "fit")}
    return [PART.format(**of, part=name) for name in names]


def threads_of_fit(wildcards):
    """Threads of a fit: one where all is matrices of some dozens of rows, so that two fits go on
    side by side."""
    fit = experiment_of(wildcards).fits[wildcards.fit]
    return 1 if fit.trainer.kind == "varpro_graph" else 2


def threads_of_part(wildcards):
    """Threads of a part of a fit."""
    return part_threads(experiment_of(wildcards).simulation.n_neurons)


def part_memory(wildcards, attempt):
    """Memory of a part of a fit."""
    n_neurons = experiment_of(wildcards).simulation.n_neurons
    return attempt * part_mib(wildcards.part, plan_of(wildcards), n_neurons)


def fit_memory(wildcards, attempt):
    """Memory of a fit in one job, or of putting one together."""
    simulation, plan = experiment_of(wildcards).simulation, plan_of(wildcards)
    if plan is None:
        return attempt * single_fit_memory(simulation)
    return attempt * assembly_mib(simulation.n_neurons)


def single_fit_memory(simulation):
    return FIT_MIB if simulation.kind == "fly" else fit_mib(simulation.n_neurons)


def memory_together(experiment, n_seeds):
    """Memory of the fits of several seeds in one job."""
    return growing(
        n_seeds * single_fit_memory(PROJECT.experiments[experiment].simulation)
    )


def analysis_memory(wildcards, attempt):
    """Memory of the analysis of a fit of an assembly."""
    return attempt * analysis_mib(experiment_of(wildcards).simulation.n_neurons)


def gpus_of(wildcards):
    """One GPU for a fit that asks for CUDA."""
    return gpus_of_fit(wildcards.experiment, wildcards.fit)


def gpus_of_fit(experiment, fit):
    return 1 if PROJECT.experiments[experiment].fits[fit].device == "cuda" else 0


def simulation_gpus(wildcards):
    """One GPU for a simulation that asks for CUDA."""
    return 1 if experiment_of(wildcards).simulation.device == "cuda" else 0


def simulation_files_of(wildcards):
    """Files that connection weights and a movie come from, if they do."""
    simulation = experiment_of(wildcards).simulation
    if simulation.kind == "fly":
        return []
    sources = [simulation.connectivity]
    if simulation.external_input.kind == "movie":
        sources.append(simulation.external_input.source)
    paths = [Path(source.path) for source in sources if source.kind == "file"]
    return [
        str(path / "zarr.json" if path.suffix == ".zarr" else path) for path in paths
    ]


def checkpoint_file_of(wildcards):
    """The file that parameters come from, if they do; that it is missing the job says better."""
    parameters = experiment_of(wildcards).simulation.parameters
    if parameters.kind != "pretrained":
        return []
    path = checkpoint_path(parameters)
    return [str(path)] if path is not None and path.is_file() else []


# Targets. A part of the run is the default one (None) or a collection, by its name.


def part_of(name):
    """Settings of a part, whose table is called ``metrics`` and page ``report`` by default."""
    collections = PROJECT.workflow.collections
    return (
        PROJECT.workflow if name in (None, "metrics", "report") else collections[name]
    )


def part_target(name):
    """Everything that a collection has: figures, tables, page."""
    return [
        *all_figures(name),
        *all_movies(name),
        *all_discards(name),
        TABLE.format(part=name),
        SUMMARY.format(part=name),
        PAGE.format(page=name),
    ]


def all_recordings():
    return [
        RECORDING.format(experiment=experiment, seed=seed)
        for experiment, seeds in PROJECT.workflow.experiments.items()
        for seed in seeds
    ]


def all_models():
    return of_all_fits(FIT.model)


def all_metrics(name=None):
    return of_all_fits(FIT.metrics, name)


def all_figures(name=None):
    """The chosen figures; an experiment that none of them shows gets two for every fit."""
    part = part_of(name)
    chosen = [f"{FIGURE}.pdf".format(figure=figure) for figure in part.figures]
    return (
        chosen
        + analysis_figures(part)
        + [
            f"{FIT_FIGURE}.pdf".format(
                experiment=experiment, seed=seed, fit=fit, figure=figure
            )
            for experiment, seed, fit in fits(PROJECT, part)
            if experiment in experiments_without_figure(PROJECT, part)
            for figure in (
                ("fly", "fly_rollout") if experiment in GRAPHS else ("fig_2", "supp_2")
            )
        ]
    )


def analysis_figures(part):
    """Spectra, formulas and graph of every fit for its first seed, latent vectors of all seeds."""
    seeds = {}
    for experiment, seed, fit in fits(PROJECT, part):
        if experiment not in GRAPHS:  # whose analysis leaves other stores
            seeds.setdefault((experiment, fit), []).append(seed)
    single = [
        f"{FIT_FIGURE}.pdf".format(
            experiment=experiment, fit=fit, seed=of_fit[0], figure="analysis"
        )
        for (experiment, fit), of_fit in seeds.items()
    ]
    return single + [
        f"{SEEDS_FIGURE}.pdf".format(experiment=experiment, fit=fit, figure="seeds")
        for (experiment, fit), of_fit in seeds.items()
        if len(of_fit) > 1
    ]


def all_movies(name=None):
    """The chosen figures' movies."""
    return [
        f"{FIGURE}.gif".format(figure=figure)
        for figure in part_of(name).figures
        if FIGURES[figure].movie
    ]


def of_all_fits(pattern, name=None):
    return [
        str(pattern).format(experiment=experiment, seed=seed, fit=fit)
        for experiment, seed, fit in fits(PROJECT, part_of(name))
    ]


def all_discards(name=None):
    """Records of the recordings that are not kept; one that only another part's figure shows is."""
    if PROJECT.workflow.keep_recordings:
        return []
    drawn = set(all_figures(name))
    return [
        RECORD.format(experiment=experiment, seed=seed)
        for experiment, seeds in part_of(name).experiments.items()
        for seed in seeds
        if drawn.issuperset(pictures_of_recording(experiment, seed))
    ]


def uses_of_recording(wildcards):
    """Whatever reads a recording, in all parts of the run, or is made from what does."""
    recorded = (wildcards.experiment, int(wildcards.seed))
    files = set(pictures_of_recording(*recorded))
    for part in (PROJECT.workflow, *PROJECT.workflow.collections.values()):
        files |= {
            str(FIT.metrics).format(experiment=experiment, seed=seed, fit=fit)
            for experiment, seed, fit in fits(PROJECT, part)
            if (experiment, seed) == recorded
        }
        files |= {
            need_file(need, **wildcards, fit=fit)
            for figure in part.figures
            for need, (*owner, fit) in figure_sources(PROJECT, figure).items()
            if tuple(owner) == recorded and not is_activity(need)
        }
    return sorted(files)


def pictures_of_recording(experiment, seed):
    """Figures of all parts of the run that show a stretch of a recording itself."""
    folder = SEED.format(experiment=experiment, seed=seed)
    files = set()
    for name in (None, *PROJECT.workflow.collections):
        files |= {
            file
            for file in all_figures(name)
            if file.startswith(f"{folder}/")
            and any(is_activity(need) for need in FIGURES[Path(file).stem].needs)
        }
        files |= {
            f"{FIGURE}.pdf".format(figure=figure)
            for figure in part_of(name).figures
            for need, (*owner, _) in figure_sources(PROJECT, figure).items()
            if is_activity(need) and tuple(owner) == (experiment, seed)
        }
    return files


def is_activity(need):
    return Need.of(need).store == "activity"


def table_inputs(wildcards):
    return all_metrics(wildcards.part)


def page_inputs(wildcards):
    """Figures, numbers and table of a page."""
    name = wildcards.page
    table = TABLE.format(part="metrics" if name == "report" else name)
    return {"figures": all_figures(name), "metrics": all_metrics(name), "table": table}


def page_titles(wildcards):
    return {
        name: PROJECT.experiments[name].title
        for name in sorted(part_of(wildcards.page).experiments)
    }


def figure_inputs(wildcards):
    """Stores that a figure shows, and the table if it shows that."""
    spec = FIGURES[wildcards.figure]
    if spec.over_seeds:
        sources = figure_sources(PROJECT, wildcards.figure)
        experiment, _, fit = next(iter(sources.values()))
        return seeds_of(spec, experiment=experiment, fit=fit)
    files = {
        need: need_file(need, experiment=experiment, seed=seed, fit=fit)
        for need, (experiment, seed, fit) in figure_sources(
            PROJECT, wildcards.figure
        ).items()
    }
    if "metrics" in spec.needs:
        files["metrics"] = TABLE.format(part=spec.table)
    return files


def fit_figure_inputs(wildcards):
    """Stores of the given fit."""
    experiment_of(wildcards), fit_of(wildcards)
    of = {name: wildcards[name] for name in ("experiment", "seed", "fit")}
    return {need: need_file(need, **of) for need in FIGURES[wildcards.figure].needs}


def seeds_figure_inputs(wildcards):
    """Stores of the given fit for all its seeds."""
    experiment_of(wildcards), fit_of(wildcards)
    return seeds_of(
        FIGURES[wildcards.figure], experiment=wildcards.experiment, fit=wildcards.fit
    )


def seeds_of(spec, *, experiment, fit):
    """What a figure over seeds needs: those of the default part, or else of all collections."""
    chosen = fit_seeds(PROJECT, experiment, fit)
    default = PROJECT.workflow.experiments.get(experiment, chosen)
    return {
        f"{need}_{seed}": str(store(need)).format(
            experiment=experiment, fit=fit, seed=seed
        )
        for need in spec.needs
        for seed in chosen
        if seed in default
    }


def need_file(name, **of):
    """What a figure needs, as a file; stores that not every fit has by their common list."""
    kind = Need.of(name).store
    if kind == "activity":
        pattern = RECORDING
    else:
        listed = kind.startswith("changed_") or kind == "field"
        pattern = FIT.changed if listed else store(kind)
    return str(pattern).format(**of)


def figure_code(wildcards):
    return code_digest(
        "neuralgnn.steps.figure",
        f"neuralgnn.plot.figures.{FIGURES[wildcards.figure].module}",
    )
