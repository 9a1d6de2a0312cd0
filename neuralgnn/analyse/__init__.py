"""What a fitted model is worth: model and recording in, labelled arrays and metrics out."""

__all__ = ["NetworkChange", "analyse", "assign_blocks", "canonical", "compare_weights"]

from neuralgnn.analyse.changed import NetworkChange, assign_blocks
from neuralgnn.analyse.gauge import canonical
from neuralgnn.analyse.run import analyse
from neuralgnn.analyse.weights import compare_weights
