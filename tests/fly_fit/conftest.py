"""A small lattice network that is really simulated: rectified messages, leaks, an eye."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuralgnn.data import Graph, Recording, Stimulus, open_recording, recording_from_array

DT = 0.02


@dataclass(frozen=True)
class Circuit:
    """Neurons of five types on thirty columns; the first type receives light."""

    graph: Graph
    weight: np.ndarray
    time_constant: np.ndarray
    resting_potential: np.ndarray
    types: np.ndarray
    stimulus: np.ndarray
    silent: int  # a neuron that never fires

    def simulate(
        self, n_frames: int, *, noise: float, seed: int, start: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, Stimulus]:
        rng = np.random.default_rng(seed)
        n_columns = (self.types == 0).sum()
        light = rng.random((n_frames, n_columns)).astype(np.float32)
        light = (0.6 * light + 0.4 * light[:, :1]).astype(np.float32)
        matrix = self.graph.matrix(self.weight)
        x, rates = np.empty((2, n_frames, len(self.types)), dtype=np.float32)
        v = self.resting_potential.copy() if start is None else start
        for frame in range(n_frames):
            external = np.zeros(len(v))
            external[:n_columns] = light[frame]
            x[frame] = v
            seen = x[frame].astype(float)
            arriving = matrix @ np.maximum(seen, 0) + external + self.resting_potential
            rates[frame] = (arriving - seen) / self.time_constant
            v = seen + DT * rates[frame] + noise * rng.standard_normal(len(v))
        inputs = np.arange(n_columns)
        stimulus = Stimulus(
            values=light, frame=np.arange(n_frames), input_neuron=inputs, input_channel=inputs
        )
        return x, rates, stimulus

    def truth(self) -> xr.Dataset:
        return xr.Dataset(
            {
                "weight": ("edge", self.weight),
                "is_null_edge": ("edge", self.weight == 0),
                "time_constant": ("neuron", self.time_constant),
                "resting_potential": ("neuron", self.resting_potential),
                "type": ("neuron", self.types),
                "cell_type": ("type_index", np.array(["A", "B", "C", "D", "E"], dtype=object)),
            }
        )

    def write(
        self,
        path: Path,
        n_frames: int,
        *,
        noise: float,
        seed: int,
        start: np.ndarray | None = None,
    ) -> Recording:
        x, rates, stimulus = self.simulate(n_frames, noise=noise, seed=seed, start=start)
        recording_from_array(
            path,
            x,
            dt=DT,
            drift=rates,
            truth=self.truth(),
            graph=self.graph,
            stimulus=stimulus,
            time_unit="s",
        )
        return open_recording(path)


@pytest.fixture(scope="session")
def circuit() -> Circuit:
    rng = np.random.default_rng(5)
    types = np.repeat(np.arange(5), 30)
    n = len(types)
    strength = rng.normal(0, 0.35, (5, 5))
    acting = rng.random((n, n)) < 0.06
    np.fill_diagonal(acting, False)
    post, pre = np.nonzero(acting)
    # One pair of types in five has edges without effect.
    strength[rng.random((5, 5)) < 0.2] = 0
    weight = strength[types[post], types[pre]] * rng.uniform(0.8, 1.2, len(pre))
    tau = np.array([0.021, 0.05, 0.1, 0.03, 0.2])[types]
    rest = np.array([0.3, 0.1, 0.4, 0.5, 0.2])[types]
    silent = n - 1
    into_silent = post == silent
    weight[into_silent] = -0.1
    rest[silent] = -0.5
    graph = Graph(pre=pre, post=post, n_neurons=n)
    return Circuit(graph, weight, tau, rest, types, np.empty(0), silent)


@pytest.fixture(scope="session")
def recording(circuit: Circuit, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("circuit")
    circuit.write(folder / "test.zarr", 300, noise=0.0, seed=1)
    return circuit.write(folder / "activity.zarr", 2500, noise=0.05, seed=0)
