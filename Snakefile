"""From experiment files to figures, numbers and a report: snakemake --cores 2"""

from snakemake.utils import min_version

min_version("9.19")


if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/select.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


onsuccess:
    print(run_summary(Path(RESULTS), since=STARTED))


onerror:
    if any("clock skew" in Path(file).read_text() for file in log):
        print(
            f"The clock was set back: some files in {RESULTS} are from the future. Give them the "
            f"present time, then start again: find {RESULTS} -newermt now -exec touch {{}} +"
        )


rule all:
    """Every figure, the table of all numbers and the report."""
    default_target: True
    input:
        all_figures(),
        all_movies(),
        all_discards(),
        TABLE.format(part="metrics"),
        REPORT,
    localrule: True


for part_name in PROJECT.workflow.collections:

    rule:
        name:
            part_name
        input:
            part_target(part_name),
        localrule: True


rule simulate_all:
    """Every recording."""
    input:
        all_recordings(),
    localrule: True


rule train_all:
    """Every fitted model."""
    input:
        all_models(),
    localrule: True


rule analyse_all:
    """The numbers of every fit."""
    input:
        all_metrics(),
    localrule: True


rule figures_all:
    """Every figure and movie."""
    input:
        all_figures(),
        all_movies(),
    localrule: True
