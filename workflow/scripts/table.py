"""Rule ``table``: collects the numbers of all fits."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.steps.table import table_step

    table_step(
        map(Path, snakemake.input["metrics"]),
        Path(snakemake.output["table"]),
        summary=Path(snakemake.output["summary"]),
    )
