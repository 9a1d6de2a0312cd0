"""Fits, in one job each; those of large networks in several (``trainer.scatter``), those of all
seeds of an experiment in one (``together``)."""


rule train_part:
    """Makes one part of a fit that is cut into jobs, from the parts that it needs."""
    input:
        recording=RECORDING,
        parts=parts_before,
    output:
        part=temp(PART),
    log:
        f"{LOGS}/train_part/{{experiment}}_seed_{{seed}}_{{fit}}_{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/train_part/{{experiment}}_seed_{{seed}}_{{fit}}_{{part}}.tsv"
    wildcard_constraints:
        part=PARTS,
    priority: 1
    conda:
        ENVIRONMENT
    threads: threads_of_part
    resources:
        mem_mb=part_memory,
        runtime=growing(240),
        gpu=gpus_of,
    params:
        fit=fit_of,
        state=STATE,
        code=code_digest("neuralgnn.steps.train"),
    script:
        "../scripts/train_part.py"


rule train:
    """Fits a model to a recording without its truth; a killed run resumes from its state."""
    input:
        recording=RECORDING,
        parts=last_parts,
    output:
        training=FIT.training,
        history=FIT.history,
    log:
        f"{LOGS}/train/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: threads_of_fit
    resources:
        mem_mb=fit_memory,
        runtime=growing(240),
        gpu=gpus_of,
    params:
        fit=fit_of,
        state=STATE,
        code=code_digest("neuralgnn.steps.train"),
    script:
        "../scripts/train.py"


for experiment, fit, seeds in fits_together(PROJECT):

    rule:
        name:
            f"train_{experiment}_{fit}_{seeds[0]}"
        input:
            recordings=expand(RECORDING, experiment=experiment, seed=seeds),
        output:
            training=expand(
                str(FIT.training), experiment=experiment, seed=seeds, fit=fit
            ),
            history=expand(str(FIT.history), experiment=experiment, seed=seeds, fit=fit),
        log:
            f"{LOGS}/train/{experiment}_seeds_{seeds[0]}_to_{seeds[-1]}_{fit}.log",
        benchmark:
            f"{BENCHMARKS}/train/{experiment}_seeds_{seeds[0]}_to_{seeds[-1]}_{fit}.tsv"
        priority: 1
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            mem_mb=memory_together(experiment, len(seeds)),
            runtime=growing(240),
            gpu=gpus_of_fit(experiment, fit),
        params:
            fit=settings_of_fit(experiment, fit),
            seeds=list(seeds),
            state=STATE_TOGETHER.format(experiment=experiment, fit=fit, seed=seeds[0]),
            code=code_digest("neuralgnn.steps.train"),
        script:
            "../scripts/train_together.py"

    workflow.ruleorder(f"train_{experiment}_{fit}_{seeds[0]}", "train")
