"""The fly visual system: connectome, parameters, stimuli, dynamics on a sparse graph."""

__all__ = ["Connectome", "FlyEquation", "compile_connectome", "simulate_fly"]

from neuralgnn.simulate.fly.connectome import Connectome, compile_connectome
from neuralgnn.simulate.fly.equation import FlyEquation
from neuralgnn.simulate.fly.run import simulate_fly
