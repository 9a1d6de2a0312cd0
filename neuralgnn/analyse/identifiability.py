r"""What the activity can tell about the weights at all. Axes: T frames, N neurons.

For known functions the weights of receiver i follow from the regression of its rate of change on
what the senders send, :math:`P_{tj} = \psi_j(x_j(t))`, together with phi_i, a free function of
:math:`x_i`. With C the covariance of the columns of P (the constant belongs to phi) and residuals
of variance :math:`v_i`, independent between T frames,

.. math:: \mathrm{var}\, \hat W_{ij} = \frac{v_i}{T} [C^{-1}]_{jj} .

:math:`\psi_i(x_i)` stays among the columns although :math:`W_{ii} = 0`: phi_i can imitate it, so
it takes as much from the other columns as if its weight were free. Other functions of
:math:`x_i` that phi_i may use are left out; they cost little beside N columns.

What the numbers mean:

* The spectrum of C and its *effective rank* depend on the activity (and a little on psi), not on
  how well the fit went. Directions with tiny eigenvalues were not explored.
* The *standard error* takes the residual of the fit on held-out frames for :math:`v_i` and the
  sampled frames for T. Residuals of a noise-free recording are misfit: correlated in time, a
  function of the state, not noise. Then it is the scale of the error that a misfit of this size
  *can* cause, not a confidence interval.
* The *ceiling* takes the part of the residual that is independent from frame to frame
  (:mod:`neuralgnn.analyse.one_step`) and all training frames: the R² that least squares with
  known functions could reach, the Cramer-Rao bound for process noise (:func:`noise_error`).
"""

__all__ = [
    "SentCovariance",
    "ceiling_r2",
    "identifiability_dataset",
    "identifiable_directions",
    "noise_error",
    "sent_covariance",
]

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Float

from neuralgnn.analyse.gauge import Function
from neuralgnn.analyse.labels import about

_BLOCK = 1000  # frames held at a time
_TABLE_POINTS = 20_001
_TABLE_POINTS_PER_SENDER = 2_001


@dataclass(frozen=True)
class SentCovariance:
    """Covariance of what the senders send, by its eigenvalues, largest first.

    Attributes:
        eigenvalues: Eigenvalues, not below rounding error.
        directions: Orthonormal eigenvectors in columns.
        n_samples: Frames it was taken over.
    """

    eigenvalues: Float[np.ndarray, " N"]
    directions: Float[np.ndarray, "N N"]
    n_samples: int

    @property
    def inverse_diagonal(self) -> Float[np.ndarray, " N"]:
        """Diagonal of the inverse; large where a sender is almost a mixture of others."""
        return (self.directions**2) @ (1 / self.eigenvalues)

    @property
    def inflation(self) -> Float[np.ndarray, " N"]:
        """Variance of each sender's column over its part that the others do not explain."""
        return ((self.directions**2) @ self.eigenvalues) * self.inverse_diagonal

    @property
    def participation(self) -> float:
        """Effective rank: squared sum of the eigenvalues over the sum of their squares."""
        return float(self.eigenvalues.sum() ** 2 / (self.eigenvalues**2).sum())

    @property
    def entropy_rank(self) -> float:
        """Effective rank: exponential of the entropy of the eigenvalues' shares."""
        share = self.eigenvalues / self.eigenvalues.sum()
        return float(np.exp(-(share * np.log(share)).sum()))


def sent_covariance(
    transfer: Function, activity: Float[np.ndarray, "T N"], *, per_sender: bool
) -> SentCovariance:
    """Covariance of psi over a sample of frames, and its spectrum.

    psi is tabulated and interpolated: the table is itself a function of activity that differs
    from psi by less than any fit does from the truth.

    Args:
        transfer: psi, column by column; of one column for a shared function.
        activity: Sample of the visited activity; more frames than neurons, or the covariance
            has directions without variance.
        per_sender: Whether psi differs between senders.
    """
    sent = _tabulate(transfer, activity, per_sender=per_sender)
    n_frames, n_neurons = activity.shape
    blocks = [slice(start, start + _BLOCK) for start in range(0, n_frames, _BLOCK)]
    mean = sum(sent(activity[block]).sum(axis=0) for block in blocks) / n_frames
    covariance = np.zeros((n_neurons, n_neurons))
    for block in blocks:
        centred = sent(activity[block]) - mean
        covariance += centred.T @ centred
    values, vectors = scipy.linalg.eigh(covariance / n_frames, overwrite_a=True, driver="evd")
    floor = n_neurons * np.finfo(np.float64).eps * values[-1]
    return SentCovariance(np.maximum(values[::-1], floor), vectors[:, ::-1], n_frames)


def noise_error(
    inverse_diagonal: Float[np.ndarray, " N"], *, noise_std: float, dt: float, n_frames: int
) -> Float[np.ndarray, " N"]:
    r"""Smallest error variance of the weights from each sender under process noise.

    .. math:: \mathrm{var}\, g W_{ij} = (\sigma / \Delta t)^2 [C^{-1}]_{jj} / T

    The Cramer-Rao bound for weights from the activity alone, :math:`\sigma` being added to every
    step, functions known, no prior. Least squares on a recording of a hundred correlation times
    lies a fifth above it: the noise drives the very activity that it is regressed on.

    Args:
        inverse_diagonal: Diagonal of the inverse of C.
        noise_std: sigma, standard deviation of the noise added in each step [activity].
        dt: Length of a step [time unit].
        n_frames: T, frames of the recording.
    """
    return (noise_std / dt) ** 2 * inverse_diagonal / n_frames


def ceiling_r2(error_variance: float, weight_variance: float) -> float:
    """R² (1 - SSE / SST) of unbiased weights with this mean error variance."""
    return 1 - error_variance / weight_variance if weight_variance > 0 else float("nan")


def identifiable_directions(
    covariance: SentCovariance,
    *,
    residual_variance: float,
    weight_variance: float,
    n_frames: int,
) -> Float[np.ndarray, "N D"]:
    """Directions of sender space along which weights are known better than by their spread.

    Along an eigenvector the error variance of a weight is v / (T eigenvalue).

    Args:
        covariance: Covariance of what is sent.
        residual_variance: v, mean over neurons.
        weight_variance: Variance of the weights.
        n_frames: T.
    """
    error = residual_variance / (n_frames * covariance.eigenvalues)
    return covariance.directions[:, error < weight_variance]


def identifiability_dataset(
    covariance: SentCovariance,
    *,
    residual_variance: Float[np.ndarray, " N"],
    noise_variance: Float[np.ndarray, " N"],
    weight_variance: float,
    n_train: int,
    time_unit: str,
) -> xr.Dataset:
    """Spectrum, conditions and expected errors as stored in ``identifiability.zarr``.

    Args:
        covariance: Covariance of what is sent.
        residual_variance: Mean squared residual of each receiver.
        noise_variance: Its part that is independent from frame to frame.
        weight_variance: Variance of the learned weights.
        n_train: Frames that the fit could use.
        time_unit: The recording's unit of time.
    """
    inverse = covariance.inverse_diagonal
    error = residual_variance * inverse.mean() / covariance.n_samples
    bound = noise_variance.mean() * inverse.mean() / n_train
    values = covariance.eigenvalues
    unit = f"activity/{time_unit}"
    return xr.Dataset(
        {
            "eigenvalue": ("component", values, about("eigenvalue of cov ψ(x)", "1")),
            "explained": (
                "component",
                np.cumsum(values) / values.sum(),
                about("share of the variance up to the component", "1"),
            ),
            "standard_error": (
                "neuron",
                np.sqrt(error),
                about("standard error of a neuron's incoming weights", unit),
            ),
            "condition": (
                "neuron",
                covariance.inflation,
                about("variance inflation of the weights a neuron sends through", "1"),
            ),
        },
        attrs={
            "effective_rank": covariance.participation,
            "entropy_rank": covariance.entropy_rank,
            "condition_number": float(values[0] / values[-1]),
            "predicted_r2": ceiling_r2(float(error.mean()), weight_variance),
            # Weights that are all zero would do no worse than 0.
            "ceiling_r2": max(0.0, ceiling_r2(float(bound), weight_variance)),
            "n_samples": covariance.n_samples,
        },
    )


def _tabulate(
    transfer: Function, activity: Float[np.ndarray, "T N"], *, per_sender: bool
) -> Function:
    """A function that interpolates between tabulated values."""
    if not per_sender:
        grid = np.linspace(activity.min(), activity.max(), _TABLE_POINTS)
        table = transfer(grid[:, None])[:, 0]
        return lambda x: np.interp(x, grid, table)
    grids = np.linspace(activity.min(axis=0), activity.max(axis=0), _TABLE_POINTS_PER_SENDER)
    tables = transfer(grids)
    return lambda x: np.stack(
        [np.interp(column, grids[:, j], tables[:, j]) for j, column in enumerate(x.T)], axis=1
    )
