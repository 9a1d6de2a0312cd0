"""The graph neural network: functions, message passing, files. No loss and no truth."""

__all__ = [
    "MLP",
    "AffineGNN",
    "AssemblyGNN",
    "GeneralGNN",
    "SparseGNN",
    "build_model",
    "load_model",
    "load_sparse_model",
    "save_checkpoint",
]

from neuralgnn.models.assembly import AssemblyGNN
from neuralgnn.models.build import build_model
from neuralgnn.models.checkpoint import load_model, load_sparse_model, save_checkpoint
from neuralgnn.models.mlp import MLP
from neuralgnn.models.sparse import AffineGNN, GeneralGNN, SparseGNN
