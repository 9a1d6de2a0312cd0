"""Rule ``train``: fits a model to a recording, or puts together what jobs have made of the fit."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.fit import FitConfig
    from neuralgnn.steps.folders import FitFolder
    from neuralgnn.steps.train import train_step

    torch.set_num_threads(snakemake.threads)
    parts = snakemake.input.get("parts")
    train_step(
        Path(snakemake.input["recording"]).parent,
        FitConfig.model_validate(snakemake.params["fit"]),
        FitFolder(Path(snakemake.output["training"]).parents[1]),
        state=Path(snakemake.params["state"]),
        seed=int(snakemake.wildcards["seed"]),
        parts=Path(parts[0]).parent if parts else None,
    )
