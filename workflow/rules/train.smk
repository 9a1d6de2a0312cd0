"""Fits."""


rule train:
    """Fits a model to a recording without its truth; a killed run resumes from its state."""
    input:
        recording=RECORDING,
    output:
        training=FIT.training,
        history=FIT.history,
    log:
        f"{LOGS}/train/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu=gpus_of,
    params:
        fit=fit_of,
        state=STATE,
        code=code_digest("neuralgnn.steps.train"),
    script:
        "../scripts/train.py"
