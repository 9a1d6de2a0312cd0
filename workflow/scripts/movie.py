"""Rule ``movie``: draws the field of a figure, or the lattice of an eye, over time."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.steps.figure import lattice_movie_step, movie_step, store_of

    inputs, movie = dict(snakemake.input.items()), Path(snakemake.output["gif"])
    if "field" in inputs:
        movie_step(store_of("field", Path(inputs["field"])), movie)
    else:
        lattice_movie_step(store_of("prediction", Path(inputs["prediction"])), movie)
