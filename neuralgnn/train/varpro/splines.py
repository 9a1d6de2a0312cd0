"""Cubic B-splines on arbitrary knots. Axes: ... any leading axes, K coefficients.

A spline is ``f(x) = sum_k c_k B_k(x)`` with ``len(knots) + 2`` basis functions that sum to one;
outside the knots it stays constant. Source: de Boor 2001, chapter IX.
"""

__all__ = ["SplineBasis", "quantile_knots", "refined_knots"]

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.interpolate import BSpline, PPoly
from torch import Tensor

_DEGREE = 3


class SplineBasis:
    """Cubic B-spline basis.

    Args:
        knots: Strictly increasing breakpoints [activity], the first and last being the ends of
            the range.

    Raises:
        ValueError: If there are fewer than two knots or they do not increase.
    """

    def __init__(self, knots: NDArray[np.float64]) -> None:
        knots = np.asarray(knots, dtype=np.float64)
        if len(knots) < 2 or not (np.diff(knots) > 0).all():
            raise ValueError(f"knots must increase strictly, found {knots}")
        self.knots = knots
        self.padded = np.r_[[knots[0]] * _DEGREE, knots, [knots[-1]] * _DEGREE]
        self.size = len(knots) + _DEGREE - 1

    def __call__(self, x: Float[Tensor, "..."]) -> Float[Tensor, "K ..."]:
        """Values of all basis functions, coefficient axis first."""
        t = torch.as_tensor(self.padded, dtype=x.dtype, device=x.device)
        x = x.clamp(t[0], t[-1]).contiguous()
        interval = torch.bucketize(x, t[_DEGREE:-_DEGREE][1:-1].contiguous(), right=True)
        local = self._local(x, interval, t)
        values = x.new_zeros(self.size, *x.shape)
        for offset, value in enumerate(local):
            values.scatter_(0, (interval + offset)[None], value[None])
        return values

    def value(self, coefficients: Float[Tensor, " K"], x: Float[Tensor, "..."]) -> Tensor:
        """Values of one spline, in a fifth of the time that those of all basis functions take.

        As polynomials in the place between two knots, in the precision of ``x``.
        """
        pieces = PPoly.from_spline(BSpline(self.padded, coefficients.cpu().numpy(), _DEGREE))
        widths = np.diff(self.knots)
        powers = pieces.c[:, _DEGREE:-_DEGREE] * widths ** np.arange(_DEGREE, -1, -1)[:, None]
        tables = torch.as_tensor(np.vstack([self.knots[:-1], 1 / widths, powers])).to(x)
        x = x.clamp(self.knots[0], self.knots[-1]).contiguous()
        inner = torch.as_tensor(self.knots[1:-1]).to(x)
        interval = torch.bucketize(x, inner, right=True).flatten()
        left, per_width, *factors = (row[interval].view_as(x) for row in tables)
        place = (x - left).mul_(per_width)
        total = factors[0]
        for factor in factors[1:]:
            total = total.mul_(place).add_(factor)
        return total

    def table(self, n_points: int, *, dtype: torch.dtype) -> Float[Tensor, "G K"]:
        """All basis functions at even points from the first to the last knot."""
        grid = torch.linspace(self.knots[0], self.knots[-1], n_points, dtype=torch.float64)
        return self(grid).T.to(dtype).contiguous()

    def from_table(
        self, table: Float[Tensor, "G K"], x: Float[Tensor, "..."]
    ) -> Float[Tensor, "... K"]:
        """Values of all basis functions, linear between the points of a table of them."""
        last = len(table) - 1
        per_step = last / (self.knots[-1] - self.knots[0])
        position = (x.flatten() - self.knots[0]).mul_(per_step).clamp_(0, last)
        index = position.to(torch.int32).clamp_(max=last - 1)
        values = table.index_select(0, index)
        values.lerp_(table.index_select(0, index + 1), (position - index)[:, None])
        return values.view(*x.shape, -1)

    @staticmethod
    def _local(x: Tensor, interval: Tensor, t: Tensor) -> list[Tensor]:
        """The four functions that are not zero in each interval (Cox-de Boor recursion)."""
        span = interval + _DEGREE
        values = [torch.ones_like(x)]
        for degree in range(1, _DEGREE + 1):
            saved = torch.zeros_like(x)
            for r in range(degree):
                right, left = t[span + r + 1] - x, x - t[span + r + 1 - degree]
                share = values[r] / (right + left)
                values[r] = saved + right * share
                saved = left * share
            values.append(saved)
        return values

    def curve(self, coefficients: NDArray, x: NDArray) -> NDArray:
        """Values of splines with coefficients ``(K, ...)`` at points ``(G,)``: ``(G, ...)``."""
        inside = np.clip(x, self.knots[0], self.knots[-1])
        return BSpline(self.padded, coefficients, _DEGREE)(inside)

    def slope(self, coefficients: NDArray, x: NDArray) -> NDArray:
        """Derivatives of splines with coefficients ``(K, ...)`` at points ``(G,)``: ``(G, ...)``.

        At the first and the last knot, and beyond, it is the slope inside.
        """
        inside = np.clip(x, self.knots[0], self.knots[-1])
        return BSpline(self.padded, coefficients, _DEGREE)(inside, nu=1)

    def project(self, x: NDArray, values: NDArray) -> NDArray:
        """Least-squares coefficients ``(K, ...)`` of functions tabulated as ``(G, ...)``."""
        inside = np.clip(x, self.knots[0], self.knots[-1])
        design = BSpline.design_matrix(inside, self.padded, _DEGREE).toarray()
        return np.linalg.lstsq(design, values, rcond=None)[0]


def quantile_knots(sample: NDArray, n_coefficients: int) -> NDArray[np.float64]:
    """Knots for ``n_coefficients``, as many samples of activity between any two of them."""
    knots = np.quantile(sample.astype(np.float64), np.linspace(0, 1, n_coefficients - 2))
    return _spread(knots)


def refined_knots(
    basis: SplineBasis, coefficients: NDArray, sample: NDArray, n_coefficients: int
) -> NDArray[np.float64]:
    """Knots where the function found so far bends, for the next search.

    The error of a cubic spline is equal in all intervals when knots have the density of the
    fourth root of the fourth derivative (de Boor 2001, chapter XII); that derivative is taken
    from jumps of the third, the largest of the functions that share the knots. A quarter of the
    knots follows the samples, so that quiet stretches stay resolved.

    Args:
        basis: Splines of the functions found so far.
        coefficients: One function ``(K,)`` or several ``(G, K)``.
        sample: Visited activity.
        n_coefficients: Coefficients that the new knots give.
    """
    grid = np.linspace(basis.knots[0], basis.knots[-1], 32_001)
    third = BSpline(basis.padded, np.atleast_2d(coefficients).T, _DEGREE).derivative(3)
    middle = (basis.knots[1:] + basis.knots[:-1]) / 2
    jumps = np.abs(np.diff(third(middle), axis=0)).max(axis=1) / np.diff(middle)
    bend = np.interp(grid, basis.knots[1:-1], jumps) ** 0.25
    # Where hardly any activity goes, bends are noise of the fit.
    share = np.histogram(sample, bins=len(grid), range=(grid[0], grid[-1]))[0].astype(float)
    width = max(len(grid) // 100, 1)
    density = np.convolve(share, np.ones(width) / width, mode="same")
    bend = bend * np.minimum(density / np.median(density[density > 0]), 1) ** 0.25
    wanted = 0.75 * bend / bend.sum() + 0.25 * density / density.sum()
    cumulative = np.concatenate([[0], np.cumsum((wanted[1:] + wanted[:-1]) / 2)])
    levels = np.linspace(0, cumulative[-1], n_coefficients - 2)
    knots = np.interp(levels, cumulative, grid)
    knots[0], knots[-1] = basis.knots[0], basis.knots[-1]
    return _spread(knots)


def _spread(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keeps knots apart: recordings with ties have equal quantiles.

    Not by much: where activity ranges over hundreds of units, psi may bend within one.
    """
    gap = 1e-4 * (knots[-1] - knots[0])
    kept = [knots[0]]
    kept += [knot for knot in knots[1:-1] if knot - kept[-1] > gap and knots[-1] - knot > gap]
    kept = [k for i, k in enumerate(kept) if i == 0 or k - kept[i - 1] > gap]
    return np.array([*kept, knots[-1]])
