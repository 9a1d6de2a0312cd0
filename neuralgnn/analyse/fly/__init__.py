"""What a model fitted on a given graph is worth: weights, constants, types, predictions."""

__all__ = ["analyse_graph"]

from neuralgnn.analyse.fly.run import analyse_graph
