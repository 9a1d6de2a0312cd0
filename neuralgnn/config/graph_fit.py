"""How a model on given edges is fitted."""

__all__ = ["GraphVarproConfig"]

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from neuralgnn.config.base import Section


class GraphVarproConfig(Section):
    """Variable projection for recordings with a graph: every neuron's own in-edges are solved for.

    dv_i/dt = b_i - v_i / tau_i + s_i (sum_j W_ij g(v_j) + I_i), with one unknown g.
    """

    kind: Literal["varpro_graph"]
    n_samples: Annotated[int, Field(ge=100)] = 16_000
    """Frames used in the final solve, evenly spread over the training stretch."""
    n_search_samples: Annotated[int, Field(ge=100)] = 1500
    """Frames used while the transfer function is searched."""
    n_receivers: PositiveInt = 120
    """Receiving neurons used while the transfer function is searched."""
    n_knots: Annotated[int, Field(ge=4)] = 25
    """Knots of the piecewise linear transfer function, one of them at 0."""
    refine_knots: NonNegativeInt = 8
    """Knots added where the transfer function found first bends; kept if held-out frames are
    then predicted better."""
    starts: Annotated[
        tuple[Literal["linear", "saturating", "rectifying"], ...], Field(min_length=1)
    ] = ("linear", "saturating", "rectifying")
    """Shapes of the transfer function that searches start from; the error on held-out frames
    chooses."""
    max_iterations: PositiveInt = 60
    """Upper bound of the Gauss-Newton iterations per search."""
    ridge: NonNegativeFloat = 1e-8
    """Ridge on messages, relative to a message of unit variance; there is none on the leak [1]."""
