"""Simulated neural assemblies: connectivity, rate equations, integration."""

__all__ = ["RateEquation", "draw_weights", "simulate"]

from neuralgnn.simulate.connectivity import draw_weights
from neuralgnn.simulate.rate import RateEquation
from neuralgnn.simulate.run import simulate
