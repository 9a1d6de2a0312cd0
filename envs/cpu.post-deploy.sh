#!/usr/bin/env bash
# Snakemake runs this once when it creates the environment (--software-deployment-method conda).
set -euo pipefail
pip install --no-deps -e . -r envs/fly.txt
