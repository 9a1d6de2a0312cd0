"""The figures by name."""

__all__ = ["FIGURES", "FigureSpec", "Need"]

from neuralgnn.plot.figures.assembly_figures import ASSEMBLY_FIGURES
from neuralgnn.plot.figures.fly_figures import FLY_FIGURES
from neuralgnn.plot.figures.spec import FigureSpec, Need

FIGURES: dict[str, FigureSpec] = {**ASSEMBLY_FIGURES, **FLY_FIGURES}
