"""Rules ``train_<experiment>_<fit>_<seed>``: fit a model to the recordings of several seeds."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.fit import FitConfig
    from neuralgnn.steps.folders import FitFolder
    from neuralgnn.steps.train import train_together_step

    torch.set_num_threads(snakemake.threads)
    train_together_step(
        [Path(recording).parent for recording in snakemake.input["recordings"]],
        FitConfig.model_validate(snakemake.params["fit"]),
        [FitFolder(Path(training).parents[1]) for training in snakemake.output["training"]],
        state=Path(snakemake.params["state"]),
        seeds=snakemake.params["seeds"],
    )
