r"""A hidden field beside the movie that drove the neurons. Axes: F frames, R rows, C columns.

The rate of change of a driven neuron holds the product :math:`\Omega_i(t) \sum_j W_{ij} \psi_j`:
a factor may move between the field at a pixel and the weights of its neuron. It is fixed in one
way, for the learned and the true network alike: the mean of :math:`\Omega_i` over frames of the
training stretch is 1, and W_ij takes the factor (the *field's gauge*). What is constant in time at
a pixel is then in W, and not compared here.

The published comparison leaves that factor where the fit put it: square roots of field and movie
at 100 frames, the learned ones multiplied by the ratio of both maxima at frame 0, and the R² and
slope of a line. Source: published code of Allier et al. 2026 (arXiv:2602.13325), figure 3.
"""

__all__ = ["TrueField", "compare_field", "field_dataset", "field_frames", "mean_drive"]

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from neuralgnn.analyse.labels import about
from neuralgnn.models.assembly import AssemblyGNN

_FRAMES = 500  # of the whole recording that a field is compared at
_PUBLISHED_FRAMES = 100
_BLOCK = 64


@dataclass(frozen=True)
class TrueField:
    """The movie that multiplied what driven neurons received, at frames of the recording.

    Attributes:
        movie: Values by frame of the movie and pixel.
        neurons: Driven neuron of each pixel.
        n_frames: Frames of the recording that the movie was stretched over.
    """

    movie: Float[np.ndarray, "M R C"]
    neurons: Int[np.ndarray, "R C"]
    n_frames: int

    @classmethod
    def from_truth(cls, truth: xr.Dataset | None) -> Self | None:
        """The field of a recording; None if there was none, or its movie was added."""
        if truth is None or truth.attrs.get("movie_mode") != "multiplicative":
            return None
        return cls(
            movie=truth["movie"].values.astype(np.float64),
            neurons=truth["driven"].values,
            n_frames=int(truth.attrs["movie_n_frames"]),
        )

    def at(self, frames: Int[np.ndarray, " F"]) -> Float[np.ndarray, "F R C"]:
        """Field on the grid while frames of the recording were taken."""
        return self.movie[np.asarray(frames) * (len(self.movie) - 1) // self.n_frames]


def field_frames(n_train: int, *, n_frames: int) -> Int[np.ndarray, " F"]:
    """Even frames of the training stretch; of a recording of 50,000 every hundredth."""
    return np.arange(0, n_train, max(1, n_frames // _FRAMES))


def mean_drive(
    field: AssemblyGNN | TrueField | None, frames: Int[np.ndarray, " F"], *, n_neurons: int
) -> Float[np.ndarray, " N"]:
    """Mean over frames of what multiplies each neuron's sum; 1 for those that nothing drives.

    Args:
        field: A model, or the truth; None: nothing is driven.
        frames: Frames of the recording.
        n_neurons: Number of neurons.
    """
    mean = np.ones(n_neurons)
    if isinstance(field, TrueField):
        mean[field.neurons] = field.at(frames).mean(axis=0)
    elif field is not None and field.field is not None:
        mean[field.field.neurons] = _learned(field, frames).mean(axis=0).reshape(-1)
    return mean


def field_dataset(
    model: AssemblyGNN, frames: Int[np.ndarray, " F"], *, true: TrueField | None, time_unit: str,
    dt: float,
) -> xr.Dataset:  # fmt: skip
    """The learned field and the movie, as stored in ``field.zarr``.

    Both are as they come; their means over the frames, which the gauge divides by, are beside
    them. Scores are attributes where the truth is known.

    Args:
        model: Model with a field.
        frames: Frames of the recording, evenly spaced.
        true: The movie.
        time_unit: The recording's unit of time.
        dt: Time between frames.

    Raises:
        ValueError: If model and truth have other driven neurons.
    """
    learned = _learned(model, frames)
    fields = {"learned": learned}
    if true is not None:
        _check_same_grid(model, true)
        fields["true"] = true.at(frames)
    dims, dataset = ("frame", "row", "column"), xr.Dataset()
    for name, values in fields.items():
        title = f"{name} field Ω"
        dataset[f"{name}_field"] = (dims, values.astype(np.float32), about(title, "1"))
        attrs = about(f"mean of the {title} over time", "1")
        dataset[f"{name}_mean"] = (dims[1:], values.mean(axis=0), attrs)
    dataset = dataset.assign_coords(
        frame=("frame", frames, about("frame", "1")),
        time=("frame", frames * dt, about("time", time_unit)),
    )
    assert model.field is not None
    dataset.attrs["first_neuron"] = model.field.neurons.start
    if true is not None:
        dataset.attrs |= compare_field(learned, fields["true"])
    return dataset


def compare_field(
    learned: Float[np.ndarray, "F R C"], true: Float[np.ndarray, "F R C"]
) -> dict[str, float]:
    """R² (1 - SSE / SST) and slope in the field's gauge, and both as published.

    ``static_r2`` is that of the means over time, after the best common factor: what the gauge
    takes out, and the fit can only take from weights being alike between neighbours.
    ``common_factor`` is the ratio of the overall means.
    """
    flat = learned.reshape(len(learned), -1), true.reshape(len(true), -1)
    gauged = [values / values.mean(axis=0) for values in flat]
    scores = _scores(*gauged)
    means = [values.mean(axis=0) for values in flat]
    factor = (means[0] @ means[1]) / (means[0] @ means[0])
    every = max(1, len(learned) // _PUBLISHED_FRAMES)
    roots = [np.sqrt(values[::every]) for values in flat]
    scale = roots[1][0].max() / roots[0][0].max()
    r = float(np.corrcoef((roots[0] * scale).ravel(), roots[1].ravel())[0, 1])
    return scores | {
        "static_r2": _scores(factor * means[0], means[1])["r2"],
        "published_r2": r**2,
        "published_slope": _scores(roots[0] * scale, roots[1])["slope"],
        "published_scale": float(scale),
        "common_factor": float(true.mean() / learned.mean()),
    }


def _scores(learned: np.ndarray, true: np.ndarray) -> dict[str, float]:
    centred = true - true.mean()
    total = float((centred**2).sum())
    if not total > 0:
        return {"r2": float("nan"), "slope": float("nan")}
    error = float(((learned - true) ** 2).sum())
    slope = float((centred * (learned - learned.mean())).sum())
    return {"r2": 1 - error / total, "slope": slope / total}


def _learned(model: AssemblyGNN, frames: Int[np.ndarray, " F"]) -> Float[np.ndarray, "F R C"]:
    field = model.field
    assert field is not None
    with torch.no_grad():
        blocks = torch.from_numpy(np.asarray(frames)).split(_BLOCK)
        values = torch.cat([field.at(block) for block in blocks])
    return values.double().cpu().numpy().reshape(len(frames), *field.shape)


def _check_same_grid(model: AssemblyGNN, true: TrueField) -> None:
    field = model.field
    assert field is not None
    learned = (field.shape, field.neurons.start)
    if learned != (true.neurons.shape, int(true.neurons[0, 0])):
        raise ValueError(
            f"the model's field has shape {field.shape} from neuron {field.neurons.start} on, the "
            f"movie {true.neurons.shape} from neuron {int(true.neurons[0, 0])} on; is model.field "
            "that of the simulation?"
        )
