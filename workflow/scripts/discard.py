"""Rule ``discard_recording``: removes a recording that everything was made from."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.steps.discard import discard_step

    discard_step(
        Path(snakemake.params["recording"]).parent,  # the rule names <store>/zarr.json
        Path(snakemake.output["record"]),
    )
