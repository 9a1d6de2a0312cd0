"""One table of all numbers, one page with everything."""


rule table:
    """Collects the numbers of all fits: one tidy table, and one with a row for each fit."""
    input:
        metrics=table_inputs,
    output:
        table=report(TABLE, caption="../report/metrics.rst", category="Numbers"),
        summary=SUMMARY,
    log:
        f"{LOGS}/table/{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/table/{{part}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
        gpu=0,
    params:
        code=code_digest("neuralgnn.steps.table"),
    script:
        "../scripts/table.py"


rule report:
    """Writes the report: figures with captions, our numbers beside the published ones."""
    input:
        unpack(page_inputs),
    output:
        report=PAGE,
    log:
        f"{LOGS}/report/{{page}}.log",
    benchmark:
        f"{BENCHMARKS}/report/{{page}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
        gpu=0,
    params:
        titles=page_titles,
        logs=LOGS,
        code=code_digest("neuralgnn.steps.report"),
    script:
        "../scripts/report.py"
