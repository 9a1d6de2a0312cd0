"""Rule ``movie``: draws the field of a figure over time."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.steps.figure import movie_step, store_of

    movie_step(store_of("field", Path(snakemake.input["field"])), Path(snakemake.output["gif"]))
