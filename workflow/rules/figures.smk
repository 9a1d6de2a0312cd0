"""Figures: drawn from stored numbers, nothing is computed here."""


rule figure:
    """Draws a figure of the paper from the stores it needs; leaves the numbers beside it."""
    input:
        unpack(figure_inputs),
    output:
        pdf=f"{FIGURE}.pdf",
        png=report(
            f"{FIGURE}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure/{{figure}}.tsv"
    priority: 4
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
        gpu=0,
    params:
        plot=PLOT,
        code=figure_code,
    script:
        "../scripts/figure.py"


rule movie:
    """Draws a field, or light and activity on the lattice of an eye, over time; animated."""
    input:
        unpack(figure_inputs),
    output:
        gif=report(
            f"{FIGURE}.gif",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}, movie"},
        ),
    log:
        f"{LOGS}/movie/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/movie/{{figure}}.tsv"
    priority: 4
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        code=code_digest("neuralgnn.steps.figure"),
    script:
        "../scripts/movie.py"


rule figure_of_fit:
    """Draws a figure for any fit: results/EXPERIMENT/seed_SEED/FIT/figures/FIGURE.pdf"""
    input:
        unpack(fit_figure_inputs),
    output:
        pdf=f"{FIT_FIGURE}.pdf",
        png=report(
            f"{FIT_FIGURE}.png",
            caption="../report/figure.rst",
            category="Figures of a fit",
            labels={
                "experiment": "{experiment}",
                "seed": "{seed}",
                "fit": "{fit}",
                "figure": "{figure}",
            },
        ),
    log:
        f"{LOGS}/figure_of_fit/{{experiment}}_seed_{{seed}}_{{fit}}_{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure_of_fit/{{experiment}}_seed_{{seed}}_{{fit}}_{{figure}}.tsv"
    priority: 4
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
        gpu=0,
    params:
        plot=PLOT,
        code=figure_code,
    script:
        "../scripts/figure.py"


rule figure_of_seeds:
    """Draws a figure over all seeds: results/EXPERIMENT/all_seeds/FIT/figures/FIGURE.pdf"""
    input:
        unpack(seeds_figure_inputs),
    output:
        pdf=f"{SEEDS_FIGURE}.pdf",
        png=report(
            f"{SEEDS_FIGURE}.png",
            caption="../report/figure.rst",
            category="Figures over seeds",
            labels={
                "experiment": "{experiment}",
                "fit": "{fit}",
                "figure": "{figure}",
            },
        ),
    log:
        f"{LOGS}/figure_of_seeds/{{experiment}}_{{fit}}_{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure_of_seeds/{{experiment}}_{{fit}}_{{figure}}.tsv"
    priority: 4
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
        gpu=0,
    params:
        plot=PLOT,
        code=figure_code,
    script:
        "../scripts/figure.py"
