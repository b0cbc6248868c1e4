"""Text in pictures: a font that has its letters, and letters that none has, as their codes.

Names come from strangers: they hold every alphabet, emoji, and dollar signs, which matplotlib takes for mathematics.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, TypeAlias

from ...embeddings.errors import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    FontProperties: TypeAlias = Any

FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "Yu Gothic",
    "Meiryo",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Segoe UI",
    "Noto Sans",
)
"""matplotlib brings the first along; of the others, systems have some."""


def font_for(texts: Iterable[str]) -> FontProperties:
    """The first of FONTS that has all letters of the texts; the first of all where none has."""
    from matplotlib.font_manager import FontProperties

    letters = {ord(letter) for text in texts for letter in text}
    fitting = (family for family in FONTS if letters <= _letters_of(family))
    return FontProperties(family=next(fitting, FONTS[0]))


def drawable(text: str, font: FontProperties, longest: int) -> str:
    """`text` on one line of at most `longest` characters, for matplotlib to draw literally with `font`."""
    known = _letters_of(font.get_family()[0])
    shown = "".join(c if ord(c) in known else f"\\u{{{ord(c):x}}}" for c in one_line(text))
    return shortened(shown, longest).replace("$", r"\$")


@functools.cache
def _letters_of(family: str) -> frozenset[int]:
    """The characters that a font has; none where it is not installed."""
    manager: Any = importlib.import_module("matplotlib.font_manager")
    try:
        path = manager.findfont(manager.FontProperties(family=family), fallback_to_default=False)
        return frozenset(manager.get_font(path).get_charmap())
    except (ValueError, OSError, RuntimeError):  # not installed; a font that FreeType cannot read
        return frozenset()
