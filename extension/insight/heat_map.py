"""The heat map: how similar the vectors of an embedding are to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .themes import more_legible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inside import Part
    from .themes import Theme

    Axes: TypeAlias = Any
    Axis: TypeAlias = Any

MOST_NUMBERS = 10
"""Maps of so many vectors have room for a number in each cell."""


def draw_heat_map(axes: Axes, part: Part, labels: Sequence[str], theme: Theme) -> None:
    """Draw the similarities of `part` in colours from -1 to 1; undefined ones are hatched."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("similarity", [theme.opposite, theme.unlike, theme.alike])
    colours = colours.with_extremes(bad=(0, 0, 0, 0))
    cells = np.array([[np.nan if each is None else each for each in row] for row in part.similarity])
    axes.add_patch(_hatched(len(cells), theme))
    image = axes.imshow(np.ma.masked_invalid(cells), cmap=colours, vmin=-1, vmax=1, interpolation="none")
    label_every(axes.xaxis, labels, 20)
    label_every(axes.yaxis, labels, 20)
    if len(cells) <= MOST_NUMBERS:
        _numbers(axes, part, colours, theme)
    bar = axes.figure.colorbar(image, ax=axes, ticks=(-1, -0.5, 0, 0.5, 1), fraction=0.05, pad=0.04)
    bar.set_label(theme.said("cosine similarity"), color=theme.ink)
    bar.outline.set_edgecolor(theme.quiet)
    bar.ax.tick_params(color=theme.quiet, labelcolor=theme.ink)


def label_every(axis: Axis, labels: Sequence[str], most: int) -> None:
    """Label the places 0, 1, … of an axis; where there are more than `most`, not all of them."""
    places = range(0, len(labels), -(-len(labels) // most))
    axis.set_ticks(list(places))
    upright = axis.axis_name == "x" and max(map(len, labels)) > 2
    axis.set_ticklabels([labels[place] for place in places], rotation=90 if upright else 0)


def _hatched(count: int, theme: Theme) -> Any:
    """What is seen where a similarity is undefined."""
    from matplotlib.patches import Rectangle

    return Rectangle(
        (-0.5, -0.5), count, count, facecolor="none", edgecolor=theme.quiet, hatch="////", linewidth=0, zorder=0
    )


def _numbers(axes: Axes, part: Part, colours: Any, theme: Theme) -> None:
    """Each similarity in its cell."""
    for row, similarities in enumerate(part.similarity):
        for column, similarity in enumerate(similarities):
            if similarity is not None:
                colour = more_legible(theme.ink, theme.unlike, on=colours((similarity + 1) / 2))
                axes.text(column, row, f"{similarity:.2f}", ha="center", va="center", size=7, color=colour)
