"""Recordings of simulated assemblies."""


rule simulate:
    """Draws one assembly and records it, with its truth in a group of its own."""
    input:
        connectivity=connectivity_file_of,
    output:
        recording=RECORDING,
    log:
        f"{LOGS}/simulate/{{experiment}}_seed_{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{experiment}}_seed_{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: simulation_threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=0,
    params:
        simulation=simulation_of,
        code=code_digest("neuralgnn.steps.simulate"),
    script:
        "../scripts/simulate.py"
