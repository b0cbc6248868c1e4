"""Colours and words of pictures. Colours are told apart with every kind of colour vision, and by lightness alone.

Source: Okabe and Ito, "Color Universal Design" (2008), for those that mean something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Theme:
    """How pictures look on one kind of page."""

    page: str
    """Behind pictures that are not transparent."""
    ink: str
    quiet: str
    """Axes, and what is undefined."""
    opposite: str
    """Similarity -1; the next two are 0 and 1."""
    unlike: str
    alike: str
    usual: str
    unusual: str
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    """Translations of what is written in pictures; English where there is none."""

    def said(self, text: str) -> str:
        """What is written for `text`."""
        return self.words.get(text, text)


LIGHT = Theme("#ffffff", "#1f2328", "#59636e", "#b35806", "#f1f3f5", "#0b4f8a", "#0072b2", "#d55e00")
DARK = Theme("#0d1117", "#e6edf3", "#9198a1", "#f0a35e", "#262c36", "#79c0ff", "#56b4e9", "#e69f00")


def more_legible(one: str, other: str, *, on: Sequence[float]) -> str:
    """The one of two colours that stands out more against the red, green and blue of `on`, each from 0 to 1."""
    return max(one, other, key=lambda colour: contrast(rgb(colour), on))


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """The contrast ratio of two colours, from 1 to 21. Source: WCAG 2.1."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(colour: str) -> tuple[float, ...]:
    """`#rrggbb` as numbers from 0 to 1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _luminance(colour: Sequence[float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
