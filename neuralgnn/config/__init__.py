"""Configuration of experiments: the only place that knows defaults. Imports no torch."""

__all__ = [
    "AnalysisConfig",
    "ConfigError",
    "ExperimentConfig",
    "FitConfig",
    "FlyConfig",
    "Project",
    "SimulationConfig",
    "WorkflowConfig",
    "load_experiment",
    "load_fit",
    "load_project",
    "load_workflow",
    "read_simulation",
]

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.errors import ConfigError
from neuralgnn.config.experiment import ExperimentConfig, WorkflowConfig, read_simulation
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.fly import FlyConfig
from neuralgnn.config.load import (
    Project,
    load_experiment,
    load_fit,
    load_project,
    load_workflow,
)
from neuralgnn.config.simulation import SimulationConfig
