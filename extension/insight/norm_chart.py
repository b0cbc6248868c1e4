"""The norms of an embedding's vectors, beside the range that those of the vocabulary's words have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .heat_map import label_every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inside import Part
    from .themes import Theme

    Axes: TypeAlias = Any

MOST_NUMBERS = 12
"""Of so many bars there is room for a number above each."""
MOST_HATCHED = 26
"""More bars are too thin for lines; that they end outside of the vocabulary's range is seen nevertheless."""
WIDEST_LINEAR = 12.0
"""Where the longest norm is more times the shortest than this, the scale is logarithmic."""
_DRAWN = (1e-60, 1e60)
"""Norms beyond are drawn as these: axes are made with 64-bit numbers, too."""


def draw_norms(axes: Axes, part: Part, labels: Sequence[str], theme: Theme) -> None:
    """Draw a bar for each vector of `part`; those that few words are as long or short as are hatched."""
    low, median, high = part.usual_norms or (0.0, None, float("inf"))
    heights = [None if norm is None else _height(norm) for norm in part.norms]
    floor = _scale(axes, [each for each in (*heights, low, high) if each and each < float("inf")])
    _vocabulary(axes, low, median, high, theme)
    few = len(heights) <= MOST_HATCHED
    for position, (norm, height) in enumerate(zip(part.norms, heights, strict=True)):
        if height:
            unusual = not low <= height <= high
            axes.bar(
                position,
                height - floor,
                width=0.7,
                bottom=floor,
                color=theme.unusual if unusual else theme.usual,
                edgecolor=theme.ink,
                linewidth=0.5 if few else 0,
                hatch="////" if unusual and few else None,
            )
        if not height or len(heights) <= MOST_NUMBERS:
            said = "×" if norm is None else f"{norm:.2g}"
            axes.annotate(
                said,
                (position, height or floor),
                (0, 2),
                textcoords="offset points",
                ha="center",
                size=8,
                color=theme.ink,
            )
    label_every(axes.xaxis, labels, MOST_HATCHED)
    axes.set_xlim(-0.7, max(len(labels), 4) - 0.3)
    axes.set_xlabel(theme.said("layer" if part.space == "layer" else "vector"), color=theme.ink)
    axes.set_ylabel(theme.said("norm"), color=theme.ink)


def _height(norm: float) -> float:
    return min(max(norm, _DRAWN[0]), _DRAWN[1]) if norm else 0.0


def _scale(axes: Axes, heights: Sequence[float]) -> float:
    """Choose the scale for these heights, with room for the legend; where its bars stand."""
    low, high = (min(heights), max(heights)) if heights else (1.0, 1.0)
    if high <= low * WIDEST_LINEAR:
        axes.set_ylim(0, high * 1.4)
        return 0.0
    axes.set_yscale("log")
    floor = low / 2
    axes.set_ylim(floor, high * (high / floor) ** 0.35)
    return floor


def _vocabulary(axes: Axes, low: float, median: float | None, high: float, theme: Theme) -> None:
    """The range of nine in ten words, and the middle of them."""
    if median is None:
        return
    words, middle = theme.said("nine in ten words of the model"), theme.said("their median")
    axes.axhspan(low, high, facecolor=theme.quiet, alpha=0.3, linewidth=0, label=words)
    axes.axhline(median, color=theme.ink, linewidth=0.8, linestyle="--", label=middle)
    axes.legend(loc="upper right", ncol=2, frameon=False, fontsize=8, labelcolor=theme.ink)
