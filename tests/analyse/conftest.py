"""A small chaotic network, its truth, and models that equal it in another gauge."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import xarray as xr

from neuralgnn.models.assembly import AssemblyGNN

GAIN, DT = 10.0, 0.01
DECAY = np.array([1.0, 1.0, 2.0, 2.0])
COUPLING = np.array([1.0, 2.0, 1.0, 2.0])
WIDTH = np.array([1.0, 2.0, 4.0, 8.0])


class ExactGNN(AssemblyGNN):
    """-a0 x + a1 tanh(x) - a2, and a scaled and shifted tanh: the form of the true functions."""

    def set_gauge(self, scale, offset) -> None:
        self.scale = torch.as_tensor(scale, dtype=torch.float32)
        self.offset = torch.as_tensor(offset, dtype=torch.float32)
        self.width = torch.ones(())

    def self_update(self, x):
        a = self.embedding
        return -a[:, 0] * x + a[:, 1] * torch.tanh(x) - a[:, 2]

    def sent(self, x):
        return self.scale * torch.tanh(x / self.width) + self.offset


@dataclass
class Network:
    """Fig. 2 with fewer neurons."""

    weight: np.ndarray
    types: np.ndarray
    activity: np.ndarray
    drift: np.ndarray

    def rate(self, x, *, weight=None, types=None):
        """True rate of change in double precision."""
        types = self.types if types is None else types
        weight = self.weight if weight is None else weight
        s = np.tanh(x)
        return -DECAY[types] * x + COUPLING[types] * s + GAIN * s @ weight.T

    def torch_rate(self, *, weight=None, types=None):
        """The same for tensors of any precision."""

        def drift(x):
            rate = self.rate(x.double().numpy(), weight=weight, types=types)
            return torch.as_tensor(rate).to(x)

        return drift


@pytest.fixture(scope="session")
def network() -> Network:
    n, n_frames = 100, 6000
    rng = np.random.RandomState(0)
    weight = rng.standard_cauchy(n * n)
    weight[np.abs(weight) > 25] = 0
    weight = (weight / n**0.7).reshape(n, n)
    np.fill_diagonal(weight, 0)
    types = np.arange(n) * 4 // n
    made = Network(weight, types, np.empty((n_frames, n)), np.empty((n_frames, n)))
    x = rng.normal(0, 5, n)
    for frame in range(-1000, n_frames):
        rate = made.rate(x)
        if frame >= 0:
            made.activity[frame], made.drift[frame] = x, rate
        x = x + DT * rate
    made.activity = made.activity.astype(np.float32)
    return made


@pytest.fixture(scope="session")
def make_truth(network):
    """Truth datasets of the network with shared, sender- or pair-dependent transfer."""

    def make(kind: str = "shared") -> xr.Dataset:
        low, high = network.activity.min(), network.activity.max()
        grid = 1.2 * np.linspace(min(low, -high), max(high, -low), 2001)
        width = {"shared": np.ones((4, 4)), "sender": np.tile(WIDTH, (4, 1))}.get(
            kind, np.tile(WIDTH[:, None], (1, 4))
        )
        transfer = np.tanh(grid / width[..., None])
        if kind == "pair":
            transfer = transfer - 0.02 * np.log(WIDTH)[:, None] * grid
        update = -DECAY[:, None] * grid + COUPLING[:, None] * np.tanh(grid)
        return xr.Dataset(
            {
                "weight": (("post", "pre"), network.weight.astype(np.float32)),
                "type": ("neuron", network.types),
                "gain": ("neuron", np.full(len(network.types), GAIN, dtype=np.float32)),
                "decay": ("neuron", DECAY[network.types].astype(np.float32)),
                "update": (("type_index", "grid"), update),
                "transfer": (("receiver_type", "sender_type", "grid"), transfer),
            },
            coords={"grid": grid},
            attrs={"transfer_kind": kind},
        )

    return make


@pytest.fixture(scope="session")
def make_model(network):
    """Models that equal the network, written with psi = scale tanh + offset."""

    def make(*, scale=1.0, offset=0.0, kind: str = "shared") -> ExactGNN:
        n = len(network.types)
        model = ExactGNN(
            n, embedding_dim=3, transfer_input="activity" if kind == "shared" else "sender"
        )
        scale, offset = scale * np.ones(n), offset * np.ones(n)
        weight = GAIN * network.weight / scale
        own = [DECAY[network.types], COUPLING[network.types], weight @ offset]
        with torch.no_grad():
            model.weight.copy_(torch.as_tensor(weight))
            model.embedding.copy_(torch.as_tensor(np.stack(own, axis=1)))
        if kind == "shared":
            model.set_gauge(scale[0], offset[0])
        else:
            model.set_gauge(scale, offset)
            model.width = torch.as_tensor(WIDTH[network.types], dtype=torch.float32)
        return model

    return make


@pytest.fixture
def sample(network) -> np.ndarray:
    """Every fifth frame."""
    return network.activity[::5]
