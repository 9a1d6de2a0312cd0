"""Numbers: what was learned beside what is true."""


rule analyse:
    """Compares weights, functions, types and predictions of the selected model with the truth."""
    input:
        recording=RECORDING,
        training=FIT.training,
        model=FIT.model,
    output:
        weights=store("weights"),
        functions=store("functions"),
        embedding=store("embedding"),
        rollout=store("rollout"),
        identifiability=store("identifiability"),
        spectrum=store("spectrum"),
        graph=store("graph"),
        symbolic=store("symbolic"),
        montage=store("montage"),
        changed=FIT.changed,
        metrics=FIT.metrics,
    log:
        f"{LOGS}/analyse/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/analyse/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    wildcard_constraints:
        experiment=OF_ASSEMBLY,
    priority: 3
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=analysis_memory,
        runtime=growing(60),
        gpu=gpus_of,
    params:
        analysis=analysis_of,
        fit=fit_of,
        published=published_of,
        code=code_digest("neuralgnn.steps.analyse"),
    script:
        "../scripts/analyse.py"


rule analyse_graph:
    """The same for a model on a given graph: constants, cell types, held-out stimuli."""
    input:
        recording=RECORDING,
        training=FIT.training,
        model=FIT.model,
    output:
        weights=store("weights"),
        functions=store("functions"),
        neurons=store("neurons"),
        circuit=store("circuit"),
        circuit_table=FIT.circuit_table,
        spectra=store("spectra"),
        prediction=store("prediction"),
        metrics=FIT.metrics,
    log:
        f"{LOGS}/analyse/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/analyse/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    wildcard_constraints:
        experiment=OF_GRAPH,
    priority: 3
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_of,
    params:
        analysis=analysis_of,
        fit=fit_of,
        published=published_of,
        code=code_digest("neuralgnn.steps.analyse"),
    script:
        "../scripts/analyse.py"


rule probe:
    """Shows flashes and moving edges to the selected model of the fly, and to the true network."""
    input:
        recording=RECORDING,
        model=FIT.model,
    output:
        probes=store("probes"),
    log:
        f"{LOGS}/probe/{{experiment}}_seed_{{seed}}_{{fit}}.log",
    benchmark:
        f"{BENCHMARKS}/probe/{{experiment}}_seed_{{seed}}_{{fit}}.tsv"
    wildcard_constraints:
        experiment=OF_GRAPH,
    priority: 3
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=0,
    params:
        probes=probes_of,
        code=code_digest("neuralgnn.steps.probe"),
    script:
        "../scripts/probe.py"
