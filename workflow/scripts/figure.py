"""Rules ``figure``, ``figure_of_fit``, ``figure_of_seeds``: draw one from stored numbers."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.config.plot import PlotConfig
    from neuralgnn.steps.figure import figure_step, store_of

    figure_step(
        snakemake.wildcards["figure"],
        {name: store_of(name, Path(path)) for name, path in snakemake.input.items()},
        Path(snakemake.output["pdf"]).with_suffix(""),
        plot=PlotConfig.model_validate(snakemake.params["plot"]),
    )
