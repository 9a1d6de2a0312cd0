"""Rule ``train_part``: makes one part of a fit that is cut into jobs."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.fit import FitConfig
    from neuralgnn.steps.train import train_part_step

    torch.set_num_threads(snakemake.threads)
    train_part_step(
        Path(snakemake.input["recording"]).parent,
        FitConfig.model_validate(snakemake.params["fit"]),
        Path(snakemake.output["part"]),
        state=Path(snakemake.params["state"]),
        seed=int(snakemake.wildcards["seed"]),
    )
