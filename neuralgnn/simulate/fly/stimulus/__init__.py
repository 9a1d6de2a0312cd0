"""What the eye sees: movies, flashes, edges, noise, on the hexagonal lattice."""

__all__ = ["Show", "draw_stimulus"]

from neuralgnn.simulate.fly.stimulus.draw import draw_stimulus
from neuralgnn.simulate.fly.stimulus.show import Show
