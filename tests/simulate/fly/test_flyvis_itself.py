"""Agreement with flyvis, where the user has an environment in which it can be imported.

    python -m venv flyvis-environment
    echo torch==2.13.0 > constraints.txt
    flyvis-environment/bin/pip install -c constraints.txt flyvis==1.2.0
    NEURALGNN_FLYVIS_PYTHON=flyvis-environment/bin/python python -m pytest tests/simulate/fly

The constraint keeps pip from replacing torch by a build for GPUs.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralgnn.config.fly import PretrainedParameters
from neuralgnn.data import Graph
from neuralgnn.simulate.fly import FlyEquation, compile_connectome
from neuralgnn.simulate.fly.parameters import biophysics

EXTENT, DT, N_STEPS = 5, 0.02, 25

FLYVIS = """
import sys
import numpy as np
import torch

for name in ("nms", "qnms"):  # torchvision asks for them, flyvis does not
    try:
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    except RuntimeError:
        pass
from datamate import Namespace
from flyvis.network import Network
from flyvis.utils.chkpt_utils import recover_network

extent, dt, checkpoint, light, out = sys.argv[1:]
connectome = Namespace(
    type="ConnectomeFromAvgFilters", file="fib25-fib19_v2.2.json", extent=int(extent), n_syn_fill=1
)
network = Network(connectome=connectome)
if checkpoint:
    recover_network(network, checkpoint)
network.eval()
movie = torch.from_numpy(np.load(light))[None, :, None]
with torch.no_grad():
    start = network.steady_state(t_pre=1.0, dt=float(dt), batch_size=1)
    v = network.simulate(movie, dt=float(dt), initial_state=start)
np.savez(out, start=start.nodes.activity[0].numpy(), v=v[0].numpy())
"""


def test_every_step_is_that_of_flyvis(tmp_path: Path, checkpoint: Path) -> None:
    python = os.environ.get("NEURALGNN_FLYVIS_PYTHON")
    if not python:
        pytest.skip("NEURALGNN_FLYVIS_PYTHON does not name a Python that can import flyvis")
    eye = compile_connectome(EXTENT)
    light = np.random.default_rng(0).random((N_STEPS, 91), dtype=np.float32)
    np.save(tmp_path / "light.npy", light)
    path = checkpoint / "best_chkpt" if checkpoint.is_dir() else checkpoint
    files = [str(tmp_path / "light.npy"), str(tmp_path / "flyvis.npz")]
    run = subprocess.run(
        [python, "-c", FLYVIS, str(EXTENT), str(DT), str(path), *files],
        env=os.environ | {"FLYVIS_ROOT_DIR": str(tmp_path), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    theirs = np.load(files[1])
    parameters = biophysics(
        PretrainedParameters(kind="pretrained", path=str(path)),
        eye,
        generator=np.random.default_rng(0),
    )
    graph = Graph(pre=eye.pre, post=eye.post, n_neurons=eye.n_cells)
    equation = FlyEquation(
        weight=graph.matrix(parameters.weight.astype(np.float32)),
        time_constant=torch.from_numpy(parameters.time_constant[eye.type].astype(np.float32)),
        resting_potential=torch.from_numpy(
            parameters.resting_potential[eye.type].astype(np.float32)
        ),
    ).at_least(DT)

    before = np.concatenate([theirs["start"][None], theirs["v"][:-1]])
    external = np.zeros(eye.n_cells, dtype=np.float32)
    for frame, (v, after) in enumerate(zip(before, theirs["v"], strict=True)):
        external[eye.input_cells] = np.tile(light[frame], 8)
        rate = equation(torch.from_numpy(v), torch.from_numpy(external)).numpy()
        np.testing.assert_allclose(v + DT * rate, after, atol=1e-5)
