"""Clouds of very many points as counts per bin, which a million markers would hide."""

__all__ = ["draw_count_bar", "draw_density", "draw_grouped_density"]

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, NullLocator

from neuralgnn.plot.style import DENSITY, type_color

Range = tuple[float, float]


def draw_density(
    ax: Axes,
    x: Float[np.ndarray, " P"],
    y: Float[np.ndarray, " P"],
    *,
    x_range: Range,
    y_range: Range,
    bins: int = 160,
) -> AxesImage:
    """Draws the number of points in each bin on a logarithmic colour scale; empty bins stay white.

    Args:
        ax: Axes, linear in both directions (transform the numbers for other scales).
        x: Horizontal values.
        y: Vertical values.
        x_range: Left and right end of the bins; points beyond are not counted.
        y_range: Lower and upper end of the bins.
        bins: Bins in each direction.
    """
    counts = _counts(x, y, x_range, y_range, bins)
    norm = LogNorm(vmin=1, vmax=max(10.0, float(counts.max())))
    return _image(ax, np.ma.masked_equal(counts, 0), x_range, y_range, norm=norm, cmap=DENSITY)


def draw_grouped_density(
    ax: Axes,
    x: Float[np.ndarray, " P"],
    y: Float[np.ndarray, " P"],
    groups: Int[np.ndarray, " P"],
    *,
    x_range: Range,
    y_range: Range,
    bins: int = 160,
) -> AxesImage:
    """Draws counts per bin as darkness and the groups they come from as hue.

    A bin has the mean colour of its points, mixed with white by the logarithm of their number.
    Arguments as in :func:`draw_density`; ``groups`` are the types that colour the points.
    """
    kinds = np.unique(groups)
    each = np.stack(
        [_counts(x[groups == k], y[groups == k], x_range, y_range, bins) for k in kinds]
    )  # (K, bins, bins)
    total = each.sum(axis=0)
    palette = np.array([type_color(int(kind)) for kind in kinds])  # (K, 3)
    rgba = np.zeros((bins, bins, 4))
    rgba[..., :3] = np.einsum("kyx,kc->yxc", each, palette) / np.maximum(total, 1)[..., None]
    strength = np.log1p(total) / np.log1p(max(total.max(), 1))
    rgba[..., 3] = np.where(total > 0, 0.25 + 0.75 * strength, 0)
    return _image(ax, rgba, x_range, y_range)


def draw_count_bar(
    ax: Axes, mappable: ScalarMappable, *, label: str, left: float, low: float
) -> Colorbar:
    """Draws a small horizontal colour bar for counts into the axes.

    Args:
        ax: Axes that get the bar.
        mappable: What :func:`draw_density` returned.
        label: Written above the bar.
        left: Its left end, as a share of the axes' width.
        low: Its lower edge, as a share of their height.
    """
    place = ax.inset_axes((left, low, 0.40, 0.035))
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(mappable, cax=place, orientation="horizontal")
    assert mappable.norm.vmax is not None
    top = int(np.floor(np.log10(mappable.norm.vmax)))
    bar.ax.xaxis.set_major_locator(FixedLocator([1, 10**top]))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(LogFormatterSciNotation())
    bar.ax.tick_params(length=1.5, pad=1)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.set_title(label, fontsize=6, pad=1.5)
    return bar


def _counts(
    x: np.ndarray, y: np.ndarray, x_range: Range, y_range: Range, bins: int
) -> Float[np.ndarray, "bins bins"]:
    counts, _, _ = np.histogram2d(y, x, bins=bins, range=(y_range, x_range))
    return counts


def _image(ax: Axes, values: np.ndarray, x_range: Range, y_range: Range, **image) -> AxesImage:
    drawn = ax.imshow(
        values,
        origin="lower",
        extent=(*x_range, *y_range),
        aspect="auto",
        interpolation="nearest",
        **image,
    )
    ax.set(xlim=x_range, ylim=y_range)
    return drawn
