"""Rule ``analyse``: computes the numbers of a fit."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.analysis import AnalysisConfig
    from neuralgnn.config.fit import FitConfig
    from neuralgnn.steps.analyse import analyse_step
    from neuralgnn.steps.folders import FitFolder

    torch.set_num_threads(snakemake.threads)
    analyse_step(
        Path(snakemake.input["recording"]).parent,
        FitConfig.model_validate(snakemake.params["fit"]),
        FitFolder(Path(snakemake.output["metrics"]).parent),
        AnalysisConfig.model_validate(snakemake.params["analysis"]),
        experiment=snakemake.wildcards["experiment"],
        name=snakemake.wildcards["fit"],
        seed=int(snakemake.wildcards["seed"]),
        published=snakemake.params["published"],
    )
