"""One table of all numbers, one page with everything."""


rule table:
    """Collects the numbers of all fits in one tidy table."""
    input:
        metrics=all_metrics(),
    output:
        table=report(METRICS_TABLE, caption="../report/metrics.rst", category="Numbers"),
    log:
        f"{LOGS}/table.log",
    benchmark:
        f"{BENCHMARKS}/table.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code_digest("neuralgnn.steps.table"),
    script:
        "../scripts/table.py"


rule fly_table:
    """Collects the numbers of the fits on graphs in a table of their own."""
    input:
        metrics=graph_metrics(),
    output:
        table=FLY_TABLE,
    log:
        f"{LOGS}/fly_table.log",
    benchmark:
        f"{BENCHMARKS}/fly_table.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code_digest("neuralgnn.steps.table"),
    script:
        "../scripts/table.py"


rule report:
    """Writes the report: figures with captions, our numbers beside the published ones."""
    input:
        figures=all_figures(),
        metrics=all_metrics(),
        table=METRICS_TABLE,
    output:
        report=REPORT,
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        titles={
            name: PROJECT.experiments[name].title
            for name in sorted(PROJECT.experiments)
        },
        benchmarks=BENCHMARKS,
        code=code_digest("neuralgnn.steps.report"),
    script:
        "../scripts/report.py"
