"""How figures look: what a change of costs new pictures and nothing else."""

__all__ = ["PlotConfig"]

from typing import Annotated

from pydantic import Field

from neuralgnn.config.base import Color, Section


class PlotConfig(Section):
    """Colours and resolution of all figures; a colour is "#rrggbb" or a grey from "0" to "1"."""

    type_colors: Annotated[tuple[Color, ...], Field(min_length=1, max_length=64)] = (
        *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A21"),
    )
    """Colours of the neuron types in their order; further types get lighter and darker ones."""
    truth_color: Color = "0.72"
    """Colour of what is known to be true."""
    learned_color: Color = "0.15"
    """Colour of learned things that belong to no type."""
    dpi: Annotated[int, Field(ge=50, le=1200)] = 300
    """Resolution of the PNG, and of dense scatters in the PDF [dots per inch]."""
