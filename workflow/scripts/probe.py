"""Rule ``probe``: shows flashes and moving edges to a fitted fly."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.analysis import ProbeConfig
    from neuralgnn.steps.folders import FitFolder
    from neuralgnn.steps.probe import probe_step

    torch.set_num_threads(snakemake.threads)
    probe_step(
        Path(snakemake.input["recording"]).parent,
        FitFolder(Path(snakemake.input["model"]).parent),
        ProbeConfig.model_validate(snakemake.params["probes"]),
    )
