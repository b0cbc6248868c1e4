"""The facts as pictures: a heat map of similarity, and the norms beside those of the vocabulary.

Drawn with matplotlib, which comes with Gradio; without `pyplot`, whose state belongs to the host.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ...embeddings.errors import UnknownName
from .heat_map import draw_heat_map
from .inside import TITLES
from .norm_chart import draw_norms
from .picture_text import drawable, font_for
from .sentences import norms_sentence, similarity_sentence
from .themes import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .inside import Inside, Part

    Draw: TypeAlias = Callable[[Any, Part, Sequence[str], Theme], None]

NO_PICTURES = "there are no pictures, because matplotlib is not installed"
_WHAT = {"similarity": "similarity of the vectors", "norms": "norms of the vectors"}
"""What each kind of picture shows."""
LONGEST_TITLE, LONGEST_LABEL = 60, 12
_SIZES = {"similarity": (5.2, 4.4), "norms": (6.4, 3.2)}
"""Inches."""
_METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": "loanword"}, "png": {"Software": "loanword"}}
_ONE_AT_A_TIME = threading.Lock()
"""matplotlib's settings are the whole program's."""


@dataclass(frozen=True)
class Picture:
    """A picture that can be made: its key, its title, and what it shows in words."""

    key: str
    title: str
    alt: str


def pictures_of(inside: Inside) -> list[Picture]:
    """The pictures that can be made of an embedding; none where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    return [
        Picture(f"{part.key}-{kind}", f"{part.title}: {_WHAT[kind]}", text)
        for part in inside.parts
        for kind, text in _kinds(part)
    ]


def picture(
    inside: Inside,
    key: str,
    *,
    dark: bool = False,
    form: str = "svg",
    opaque: bool = False,
    words: Mapping[str, str] | None = None,
) -> bytes:
    """The picture with that key as "svg" or "png", for a light or a dark page; raises UnknownName.

    What is behind it shows through unless it is to be `opaque`, as programs need it that know no transparency. `words`
    are translations of what is written in it.
    """
    theme = replace(DARK if dark else LIGHT, words=words or {})
    for part in inside.parts:
        for kind, _ in _kinds(part):
            if key == f"{part.key}-{kind}":
                return _Sheet(inside.name, theme).drawn(part, kind, form, transparent=not opaque)
    raise UnknownName(f"there is no picture {key!r}")


def _kinds(part: Part) -> Iterator[tuple[str, str]]:
    """The kinds of picture that there are of `part`, each with its text."""
    alike = similarity_sentence(part)
    if alike:
        yield "similarity", alike
    yield "norms", norms_sentence(part)


def _title(part: Part, kind: str, theme: Theme) -> str:
    """What a picture shows, as it is written above it."""
    return f"{theme.said(TITLES[part.space]).format(theme.said(part.encoder))}: {theme.said(_WHAT[kind])}"


_DRAW: dict[str, Draw] = {"similarity": draw_heat_map, "norms": draw_norms}


@dataclass(frozen=True)
class _Sheet:
    """What a picture is drawn on."""

    name: str
    theme: Theme

    def drawn(self, part: Part, kind: str, form: str, *, transparent: bool) -> bytes:
        matplotlib: Any = importlib.import_module("matplotlib")
        with _ONE_AT_A_TIME, matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(self._settings())
            figure = self._figure(part, kind)
            content = io.BytesIO()
            figure.savefig(content, format=form, transparent=transparent, metadata=_METADATA[form])
        return content.getvalue()

    def _figure(self, part: Part, kind: str) -> Any:
        figure: Any = importlib.import_module("matplotlib.figure").Figure(_SIZES[kind], dpi=160, layout="constrained")
        axes = figure.add_subplot()
        font = font_for((self.name, *part.labels))
        title = f"{drawable(self.name, font, LONGEST_TITLE)}\n{_title(part, kind, self.theme)}"
        axes.set_title(title, loc="left", fontproperties=font, color=self.theme.ink)
        _DRAW[kind](axes, part, [drawable(label, font, LONGEST_LABEL) for label in part.labels], self.theme)
        return figure

    def _settings(self) -> dict[str, Any]:
        page, ink, quiet = self.theme.page, self.theme.ink, self.theme.quiet
        return {
            "font.size": 9,
            "svg.hashsalt": "loanword",
            "hatch.linewidth": 0.6,
            "hatch.color": ink,
            "figure.facecolor": page,
            "axes.facecolor": page,
            "axes.edgecolor": quiet,
            "xtick.color": ink,
            "ytick.color": ink,
        }
