# make run: from a bare clone to the report. make test: the tests. Needs git, make, Python >= 3.11.

PYTHON ?= python3
CORES ?= 2
CONFIG ?= config/config.yaml

VENV := .venv
BIN := $(VENV)/bin
# Made anew whenever the pins change.
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run figures test test-slurm test-faults lint format schema bench clean

help: ## these lines
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY) ## make .venv with the pinned dependencies

$(READY): pyproject.toml envs/fly.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); try make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[workflow,test,lint]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/fly.txt
	@touch $@

run: $(READY) ## figure 2, its supplements and the report (CORES=2 CONFIG=config/config.yaml)
	$(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)

figures: $(READY) ## only the figures
	$(BIN)/snakemake figures_all --cores $(CORES) --configfile $(CONFIG)

test: $(READY) ## the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-slurm: $(READY) ## the workflow on a real one-node SLURM, started and stopped here (Debian packages)
	.ci/slurm
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm

test-faults: $(READY) ## kills, full disks, damaged files and mutated settings, at length (20 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults tests/faults tests/workflow

lint: $(READY) ## format, lint, types, layers; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: $(READY) ## format everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow

schema: $(READY) ## rewrite workflow/schemas and docs/config.md from the models
	$(BIN)/python -m neuralgnn.config.schema

bench: $(READY) ## rewrite benchmarks/README.md
	$(BIN)/python -m benchmarks

clean: ## remove what runs have left, not the results
	rm -rf .snakemake .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
