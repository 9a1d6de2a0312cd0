"""Rule ``select``: takes the checkpoint that predicts held-out frames best."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.fit import FitConfig
    from neuralgnn.steps.folders import FitFolder
    from neuralgnn.steps.select import select_step

    torch.set_num_threads(snakemake.threads)
    select_step(
        Path(snakemake.input["recording"]).parent,
        FitConfig.model_validate(snakemake.params["fit"]),
        FitFolder(Path(snakemake.output["model"]).parent),
    )
