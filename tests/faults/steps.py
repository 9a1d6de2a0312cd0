"""Steps of a small run, in this process or, to be killed, in one of its own.

``python steps.py FOLDER`` does one step after the other, says on a line of its own when it begins
each, and marks those that are done, which it skips when it is started again.
"""

import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from neuralgnn.config.analysis import AnalysisConfig
from neuralgnn.config.fit import FitConfig
from neuralgnn.config.simulation import SimulationConfig
from neuralgnn.data import open_recording
from neuralgnn.simulate.run import simulate
from neuralgnn.steps.analyse import analyse_step
from neuralgnn.steps.folders import FitFolder
from neuralgnn.steps.select import select_step
from neuralgnn.train import train

STEPS = ("simulate", "sgd", "varpro", "analyse")
NEEDS = {
    "simulate": [],
    "sgd": ["activity.zarr"],
    "varpro": ["activity.zarr"],
    "analyse": ["activity.zarr", "sgd/checkpoints"],
}
"""What a step reads."""
LEAVES = {
    "simulate": ["activity.zarr"],
    "sgd": ["sgd/checkpoints"],
    "varpro": ["varpro/checkpoints"],
    "analyse": ["sgd/analysis", "sgd/model.pt", "sgd/selection.json", "sgd/metrics.json"],
}
"""What a step writes."""
SIMULATION = SimulationConfig.model_validate(
    {
        "n_neurons": 20,
        "n_frames": 6000,
        "burn_in": 100,
        "neuron_types": [{}, {"self_coupling": 2}],
        "connectivity": {"kind": "cauchy"},
        "noise": {"kind": "per_step", "std": 0.01},
        "record_drift": True,
    }
)
FITS = {
    "sgd": FitConfig.model_validate(
        {
            "target": {"kind": "drift"},
            "model": {"hidden": 16},
            "trainer": {"kind": "sgd", "n_steps": 200, "checkpoint_every": 10, "batch_size": 32},
        }
    ),
    "varpro": FitConfig.model_validate(
        {
            "target": {"kind": "drift"},
            "model": {"hidden": 16},
            "trainer": {
                "kind": "varpro",
                "n_samples": 600,
                "n_search_samples": 400,
                "n_receivers": 4,
                "n_coefficients": [8],
                "n_update_coefficients": 8,
                "starts": ["saturating"],
                "max_iterations": 8,
            },
        }
    ),
}
ANALYSIS = AnalysisConfig.model_validate(
    {
        "rollout": {"n_starts": 3, "n_frames": 60, "report_frames": [20, 50]},
        "clusters": {"max_clusters": 4},
        "lyapunov_frames": 50,
        "curve_points": 30,
        "projection": None,
    }
)


def run_step(step: str, folder: Path, fits: Mapping[str, FitConfig] = FITS) -> None:
    """One step in ``folder``: simulate, sgd, varpro, analyse; the last three need a recording."""
    recording = folder / "activity.zarr"
    if step == "simulate":
        simulate(SIMULATION, recording, seed=1, shard_frames=400, progress=False)
    elif step == "analyse":
        fit = FitFolder(folder / "sgd")
        select_step(recording, fits["sgd"], fit)
        analyse_step(recording, fits["sgd"], fit, ANALYSIS, experiment="e", name="sgd", seed=1)
    else:
        fit = FitFolder(folder / step)
        train(
            open_recording(recording),
            fits[step],
            out=fit.checkpoints,
            state=folder / "state",
            seed=1,
            progress=False,
        )


def prepare(step: str, whole: Path, folder: Path) -> Path:
    """Copies what a step reads from the folder of the whole run."""
    for need in NEEDS[step]:
        shutil.copytree(whole / need, folder / need, copy_function=shutil.copyfile)
    return folder


def load(step: str) -> None:
    """Imports what a step would import on its way, so that kills meet its work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorBoard's dependencies warn of each other
        if step == "sgd":
            import torch.utils.tensorboard  # noqa: F401

            import neuralgnn.train.sgd
        elif step == "varpro":
            import neuralgnn.train.varpro  # noqa: F401


def done(step: str, folder: Path) -> Path:
    """File that marks a step as done."""
    return folder / "done" / step


def main(folder: Path) -> None:
    done("", folder).mkdir(parents=True, exist_ok=True)
    for step in STEPS:
        if not done(step, folder).exists():
            load(step)
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            run_step(step, folder)
            done(step, folder).touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
