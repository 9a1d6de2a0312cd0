"""Update functions of all neurons for a known psi. Axes as in ``rows``; D latent dimensions.

With many neurons a spline for each, its weights eliminated, is most of the work of a fit:
``2 K N^2 (T + N)`` operations. Update functions differ in few ways, so above a few thousand
neurons the splines of some of them are solved for first, and all neurons only in the space that
those span.
"""

__all__ = ["shared_update", "update_curves"]

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.latent import LatentCurves, fit_latent_curves
from neuralgnn.train.varpro.rows import GramFactor, RowSystem
from neuralgnn.train.varpro.splines import SplineBasis

_BLOCK_BYTES = 1 << 28
_MOST_DIRECT = 2500  # neurons that all get splines of their own
_N_SPANNING = 512  # neurons whose splines span the space of the others
_N_SPACE = 8  # dimensions of that space

Design = Callable[[Float[Tensor, "I T"]], Float[Tensor, "I T K"]]


def update_curves(
    x: Float[Tensor, "T N"],
    y: Float[Tensor, "T N"],
    sent: Float[Tensor, "T N"],
    factor: GramFactor,
    basis: SplineBasis,
    *,
    n_latent: int,
) -> LatentCurves:
    """Spline coefficients of every neuron's update function through latent vectors.

    Args:
        x: Activity.
        y: Rates of change [activity/time unit].
        sent: Outputs of all senders.
        factor: Their Gram factor.
        basis: Splines of phi.
        n_latent: Latent dimensions D.
    """
    everyone = torch.arange(x.shape[1], device=x.device)

    def splines(own: Tensor) -> Tensor:
        return basis(own).permute(1, 2, 0)

    if len(everyone) <= _MOST_DIRECT:
        return fit_latent_curves(*_solve(x, y, sent, factor, splines, everyone), n_latent=n_latent)
    some = everyone[:: len(everyone) // _N_SPANNING]
    space = fit_latent_curves(*_solve(x, y, sent, factor, splines, some), n_latent=_N_SPACE)

    def spanned(own: Tensor) -> Tensor:
        return splines(own) @ space.directions

    def mean(own: Tensor) -> Tensor:
        return splines(own) @ space.mean

    inner = fit_latent_curves(
        *_solve(x, y, sent, factor, spanned, everyone, known=mean), n_latent=n_latent
    )
    return LatentCurves(
        space.mean + space.directions @ inner.mean,
        space.directions @ inner.directions,
        inner.latent,
    )


def shared_update(
    x: Float[Tensor, "T N"],
    y: Float[Tensor, "T N"],
    sent: Float[Tensor, "T N"],
    factor: GramFactor,
    basis: SplineBasis,
) -> Float[Tensor, "1 K"]:
    """Spline coefficients of the one update function that all neurons share."""
    information, rhs = _equations(
        x,
        y,
        sent,
        factor,
        lambda own: basis(own).permute(1, 2, 0),
        torch.arange(x.shape[1], device=x.device),
    )
    return _solved(information.sum(0, keepdim=True), rhs.sum(0, keepdim=True))


def _solve(
    x: Tensor,
    y: Tensor,
    sent: Tensor,
    factor: GramFactor,
    design: Design,
    receivers: Int[Tensor, " I"],
    known: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Float[Tensor, "I K"], Float[Tensor, "I K K"]]:
    """Coefficients of some neurons in a design, and their information."""
    information, rhs = _equations(x, y, sent, factor, design, receivers, known)
    return _solved(information, rhs), information


def _equations(
    x: Tensor,
    y: Tensor,
    sent: Tensor,
    factor: GramFactor,
    design: Design,
    receivers: Int[Tensor, " I"],
    known: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Float[Tensor, "I K K"], Float[Tensor, "I K"]]:
    """Normal equations of the update functions, weights eliminated, block by block."""
    n_samples, n_neurons = x.shape
    n_columns = design(x[:1, :1].T.double()).shape[-1]
    block = max(1, _BLOCK_BYTES // (8 * n_columns * (n_samples + 2 * n_neurons)))
    information, rhs = [], []
    for some in receivers.split(block):
        own = x[:, some].T.double()
        target = y[:, some].T.double()
        if known is not None:
            target = target - known(own)
        system = RowSystem(sent, factor, design(own), some)
        normal, side = system.update_equations(target[:, :, None])
        information.append(_positive(normal))
        rhs.append(side[:, :, 0])
    return torch.cat(information), torch.cat(rhs)


def _positive(normal: Float[Tensor, "I K K"]) -> Float[Tensor, "I K K"]:
    """The nearest matrices without negative eigenvalues: differences of large numbers round."""
    values, vectors = torch.linalg.eigh((normal + normal.mT) / 2)
    if not (values < 0).any():
        return normal
    return vectors @ (values.clamp_min(0)[:, :, None] * vectors.mT)


def _solved(information: Float[Tensor, "I K K"], rhs: Float[Tensor, "I K"]) -> Tensor:
    ridge = 1e-9 * information.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    eye = torch.eye(rhs.shape[1], dtype=rhs.dtype, device=rhs.device)
    return torch.linalg.solve(information + ridge * eye, rhs)
