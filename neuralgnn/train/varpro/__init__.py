"""Variable projection: the transfer function is searched, everything linear is solved for."""

__all__ = ["run_varpro"]

from neuralgnn.train.varpro.run import run_varpro
