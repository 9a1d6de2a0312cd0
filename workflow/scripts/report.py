"""Rule ``report``: writes the page with everything."""

from pathlib import Path

from neuralgnn.steps.job import job

with job(snakemake.log[0], snakemake):
    from neuralgnn.steps.report import report_step

    report_step(
        Path(snakemake.output["report"]),
        figures=[Path(path) for path in snakemake.input["figures"]],
        table=Path(snakemake.input["table"]),
        metrics=[Path(path) for path in snakemake.input["metrics"]],
        titles=snakemake.params["titles"],
        logs=Path(snakemake.params["logs"]),
    )
