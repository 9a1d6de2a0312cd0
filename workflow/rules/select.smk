"""The model that represents a fit."""


rule select:
    """Takes the checkpoint with the smallest one-step error on held-out frames."""
    input:
        recording=RECORDING,
        training=FIT.training,
    output:
        model=FIT.model,
        selection=FIT.selection,
    log:
        f"{LOGS}/select/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/select/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    priority: 2
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
        gpu=gpus_of,
    params:
        fit=fit_of,
        code=code_digest("neuralgnn.steps.select"),
    script:
        "../scripts/select_model.py"
