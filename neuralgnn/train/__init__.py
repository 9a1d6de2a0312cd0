"""Fitting: batches, loss terms, the trainers, checkpoint selection. Never sees the truth."""

__all__ = ["select", "train"]

from neuralgnn.train.run import train
from neuralgnn.train.select import select
