"""Variable projection: the transfer function is searched, everything linear is solved for."""

__all__ = ["make_part", "run_varpro"]

from neuralgnn.train.varpro.run import make_part, run_varpro
