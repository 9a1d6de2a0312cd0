"""Fitting: batches, loss terms, the trainers, checkpoint selection. Never sees the truth."""

__all__ = ["select", "train", "train_part", "train_together"]

from neuralgnn.train.run import train, train_part, train_together
from neuralgnn.train.select import select
