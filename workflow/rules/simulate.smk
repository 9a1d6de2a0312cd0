"""Recordings of simulated networks."""


rule simulate:
    """Draws one assembly and records it, with its truth in a group of its own."""
    input:
        files=simulation_files_of,
    output:
        recording=RECORDING,
    log:
        f"{LOGS}/simulate/{{experiment}}_seed_{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{experiment}}_seed_{{seed}}.tsv"
    wildcard_constraints:
        experiment=OF_ASSEMBLY,
    conda:
        ENVIRONMENT
    threads: simulation_threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=simulation_gpus,
    params:
        simulation=simulation_of,
        code=code_digest("neuralgnn.steps.simulate"),
    script:
        "../scripts/simulate.py"


rule simulate_fly:
    """Records the fly visual system, and again under held-out stimuli."""
    input:
        checkpoint=checkpoint_file_of,
    output:
        recording=RECORDING,
        test=TEST_RECORDING,
    log:
        f"{LOGS}/simulate/{{experiment}}_seed_{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{experiment}}_seed_{{seed}}.tsv"
    wildcard_constraints:
        experiment=OF_GRAPH,
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
        gpu=simulation_gpus,
    params:
        simulation=simulation_of,
        code=code_digest("neuralgnn.steps.simulate"),
    script:
        "../scripts/simulate.py"
