"""Update functions of all neurons for a known psi. Axes: I receivers, N senders, K coefficients.

D latent dimensions, T samples of a piece.

With many neurons a spline for each, its weights eliminated, is most of the work of a fit:
``2 K N^2 (T + N)`` operations. Update functions differ in few ways, so above a few thousand
neurons the splines of some of them are solved for first, and all neurons only in the space that
those span. Receivers come in tiles (``pieces``): it does not matter who takes which.
"""

__all__ = ["UpdateSpace", "latent_curves", "shared_curve", "spanning_space", "update_equations"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuralgnn.train.varpro.latent import LatentCurves, fit_latent_curves
from neuralgnn.train.varpro.pieces import Pieces, tile_products, tiles
from neuralgnn.train.varpro.rows import Eliminated, GramFactor
from neuralgnn.train.varpro.splines import SplineBasis

_MOST_DIRECT = 2500  # neurons that all get splines of their own
_N_SPANNING = 512  # neurons whose splines span the space of the others
_N_SPACE = 8  # dimensions of that space


@dataclass(frozen=True)
class UpdateSpace:
    """Functions that update functions are sought among.

    Attributes:
        basis: Splines of phi.
        mean: Spline coefficients of a function that is always added; None: zero.
        directions: Spline coefficients of functions to combine; None: each spline by itself.
    """

    basis: SplineBasis
    mean: Float[Tensor, " K"] | None = None
    directions: Float[Tensor, "K D"] | None = None

    @property
    def size(self) -> int:
        """Numbers that tell one function."""
        return self.basis.size if self.directions is None else self.directions.shape[1]

    def columns(
        self, x: Float[Tensor, "T I"], y: Float[Tensor, "T I"]
    ) -> Float[Tensor, "I T K+1"]:
        """The functions at a tile's own activity, and its rates without the mean function."""
        splines = self.basis(x.T.double()).permute(1, 2, 0)  # (I, T, K)
        rate = y.T.double()
        if self.mean is not None:
            rate = rate - splines @ self.mean
        if self.directions is not None:
            splines = splines @ self.directions
        return torch.cat([splines, rate[:, :, None]], dim=-1)

    def of(self, inner: LatentCurves) -> LatentCurves:
        """Curves of this space in coefficients of the splines."""
        if self.mean is None or self.directions is None:
            return inner
        return LatentCurves(
            self.mean + self.directions @ inner.mean,
            self.directions @ inner.directions,
            inner.latent,
        )


def spanning_space(
    pieces: Pieces,
    factor: GramFactor,
    sent: Callable[[Tensor], Float[Tensor, "T N"]],
    basis: SplineBasis,
) -> UpdateSpace:
    """The space of all neurons' update functions: all splines, or of many neurons what some span.

    Args:
        pieces: Frames.
        factor: Gram factor of what the senders send.
        sent: What they send, of a piece's activity.
        basis: Splines of phi.
    """
    everyone = torch.arange(pieces.n_neurons, device=factor.factor.device)
    free = UpdateSpace(basis)
    if len(everyone) <= _MOST_DIRECT:
        return free
    some = tiles(everyone[:: len(everyone) // _N_SPANNING])
    curves = latent_curves(
        free, *update_equations(pieces, some, factor, sent, free), n_latent=_N_SPACE
    )
    return UpdateSpace(basis, curves.mean, curves.directions)


def update_equations(
    pieces: Pieces,
    chosen: Sequence[Int[Tensor, " I"]],
    factor: GramFactor,
    sent: Callable[[Tensor], Float[Tensor, "T N"]],
    space: UpdateSpace,
) -> tuple[Float[Tensor, "R K K"], Float[Tensor, "R K"]]:
    """Normal equations of the update functions of some tiles, weights eliminated.

    Args:
        pieces: Frames.
        chosen: Tiles of receivers.
        factor: Gram factor of what the senders send.
        sent: What they send, of a piece's activity.
        space: Functions to choose among.
    """
    k = space.size
    information = [factor.factor.new_empty(0, k, k)]
    rhs = [factor.factor.new_empty(0, k)]
    products = tile_products(
        pieces,
        chosen,
        n_columns=k + 1,
        sent=sent,
        columns=lambda x, y, _: space.columns(x, y),
    )
    for each in products:
        cross, own = each.cross, each.own
        system = Eliminated(factor, cross[:, :, :k], own[:, :k, :k], each.receivers)
        sides, _ = system.sides(own[:, :k, k:], cross[:, :, k:])
        information.append(_positive(system.information))
        rhs.append(sides[:, :, 0])
    return torch.cat(information), torch.cat(rhs)


def latent_curves(
    space: UpdateSpace,
    information: Float[Tensor, "R K K"],
    rhs: Float[Tensor, "R K"],
    *,
    n_latent: int,
) -> LatentCurves:
    """Spline coefficients of every neuron's update function through latent vectors.

    Args:
        space: Functions that the equations are about.
        information: Normal equations of every neuron.
        rhs: Their right-hand sides.
        n_latent: Latent dimensions D.
    """
    return space.of(fit_latent_curves(_solved(information, rhs), information, n_latent=n_latent))


def shared_curve(
    information: Float[Tensor, "R K K"], rhs: Float[Tensor, "R K"]
) -> Float[Tensor, "1 K"]:
    """Spline coefficients of the one update function that all neurons share."""
    return _solved(information.sum(0, keepdim=True), rhs.sum(0, keepdim=True))


def _positive(normal: Float[Tensor, "I K K"]) -> Float[Tensor, "I K K"]:
    """The nearest matrices without negative eigenvalues: differences of large numbers round."""
    values, vectors = torch.linalg.eigh((normal + normal.mT) / 2)
    if not (values < 0).any():
        return normal
    return vectors @ (values.clamp_min(0)[:, :, None] * vectors.mT)


def _solved(information: Float[Tensor, "R K K"], rhs: Float[Tensor, "R K"]) -> Tensor:
    ridge = 1e-9 * information.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    eye = torch.eye(rhs.shape[1], dtype=rhs.dtype, device=rhs.device)
    return torch.linalg.solve(information + ridge * eye, rhs)
