"""How far a fit is: a bar on a terminal, a line a minute in a log."""

__all__ = ["Progress"]

from neuralgnn.data.progress import Progress
