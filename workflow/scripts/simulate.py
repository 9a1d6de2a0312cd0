"""Rule ``simulate``: draws one assembly and records it."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    import torch

    from neuralgnn.config.experiment import read_simulation
    from neuralgnn.steps.simulate import simulate_step

    torch.set_num_threads(snakemake.threads)
    simulate_step(
        read_simulation(snakemake.params["simulation"]),
        Path(snakemake.output["recording"]).parent,  # the rule names <store>/zarr.json
        seed=int(snakemake.wildcards["seed"]),
        record=Path(snakemake.params["record"]),
    )
