"""Panels of what a population is made of."""

__all__ = ["draw_type_shares"]

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from neuralgnn.plot.style import type_color


def draw_type_shares(ax: Axes, shares: Mapping[str, Sequence[float]]) -> list[BarContainer]:
    """Draws the shares of the neuron types in several populations as stacked bars.

    Args:
        ax: Axes to draw on.
        shares: Share of type 0, 1, … [1] by name of the population; the first one is on top.

    Raises:
        ValueError: If the shares of a population do not sum to 1.
    """
    bars = []
    for row, (name, parts) in enumerate(shares.items()):
        if abs(sum(parts) - 1) > 1e-3:
            raise ValueError(f"shares of {name!r} sum to {sum(parts):g}, expected 1: {parts}")
        left = 0.0
        for kind, part in enumerate(parts):
            color = type_color(kind)
            bars.append(ax.barh(row, part, left=left, height=0.62, color=color, lw=0))
            if part >= 0.08:
                ax.text(left + part / 2, row, f"{100 * part:.0f}", ha="center", va="center",
                        fontsize=6, color=_readable_on(color))  # fmt: skip
            left += part
    ax.set(xlim=(0, 1), ylim=(len(shares) - 0.5, -0.5), xticks=[0, 0.5, 1])
    ax.set_xticklabels(["0", "50", "100"])
    ax.set_yticks(range(len(shares)), list(shares))
    ax.set_xlabel("share of neurons [%]")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return bars


def _readable_on(color: tuple[float, float, float]) -> str:
    red, green, blue = color
    return "k" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.55 else "w"
