# What Snakemake injects into the scripts of rules.
from snakemake.script import Snakemake

snakemake: Snakemake
