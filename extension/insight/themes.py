"""Colours of pictures for light and dark pages: told apart with every kind of colour vision, and by lightness alone.

Source: Okabe and Ito, "Color Universal Design" (2008), for those that mean something.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """The colours of pictures on one kind of page; the pictures themselves have no background."""

    ink: str
    quiet: str
    """Axes, and what is undefined."""
    opposite: str
    """Similarity -1; the next two are 0 and 1."""
    unlike: str
    alike: str
    usual: str
    unusual: str


LIGHT = Theme("#1f2328", "#59636e", "#b35806", "#f1f3f5", "#0b4f8a", "#0072b2", "#d55e00")
DARK = Theme("#e6edf3", "#9198a1", "#f0a35e", "#262c36", "#79c0ff", "#56b4e9", "#e69f00")
