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
    threads: 1  # a frame waits for W from memory, which a second thread does not hasten
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=simulation_gpus,
    params:
        simulation=simulation_of,
        record=RECORD,
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
        record=RECORD,
        code=code_digest("neuralgnn.steps.simulate"),
    script:
        "../scripts/simulate.py"


rule discard_recording:
    """Gives back the room of a recording that is done with (``keep_recordings: false``)."""
    input:
        uses=uses_of_recording,
    output:
        record=RECORD,
    log:
        f"{LOGS}/discard_recording/{{experiment}}_seed_{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/discard_recording/{{experiment}}_seed_{{seed}}.tsv"
    priority: 5
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=growing(10),
        gpu=0,
    params:
        # Not an input: a discarded recording is not simulated again to be discarded.
        recording=RECORDING,
    script:
        "../scripts/discard.py"
