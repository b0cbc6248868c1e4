"""How a WebUI lays a prompt out: in parts of 75 tokens, of which embeddings take one for each vector.

An embedding is never divided: where it does not fit into what is left of a part, it begins the next. Two things are
not imitated, and left to the counters of hosts: that words move to the next part for a comma's sake, and that
`[a:b:0.5]` is only one of both at a time.

Source: A1111 1.10.1 `modules/sd_hijack_clip.py` (`tokenize_line`), `modules/prompt_parser.py` (`BREAK`, `AND`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..embeddings.prompt_weights import read_parentheses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..embeddings.prompt_weights import Part

PART = 75
_FIRST_MARK = 0xF0000
"""The first of the private characters that stand for names while weights are read."""
_PRIVATE = re.compile(f"[{chr(_FIRST_MARK)}-\U000ffffd]")
_ALTERNATIVES = re.compile(r"\bAND\b")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where an embedding stands: its weight, the part that it is in, from 1, and its first token there, from 0."""

    weight: float
    part: int
    position: int


@dataclass(frozen=True)
class Layout:
    """A prompt in parts: how many of them, how many tokens up to its end, and the place of each embedding."""

    tokens: int
    parts: int
    places: tuple[Place, ...]


@dataclass
class _Walk:
    """The way through a prompt: which part, and how much of it is taken."""

    part: int = 1
    taken: int = 0
    places: dict[int, Place] = field(default_factory=dict[int, Place])

    def text(self, tokens: int) -> None:
        self.taken += tokens
        while self.taken > PART:
            self.part += 1
            self.taken -= PART

    def embedding(self, number: int, vectors: int, weight: float) -> None:
        if self.taken + vectors > PART:
            self.next_part()
        self.places[number] = Place(weight, self.part, self.taken)
        self.taken += vectors

    def next_part(self) -> None:
        self.part += 1
        self.taken = 0


def laid_out(
    prompt: str, names: Sequence[tuple[int, int, int]], count: Callable[[str], int], *, square: bool = True
) -> Layout:
    """`prompt` in parts; `names` are start, end and number of vectors of each embedding in it, from left to right.

    `count` says how many tokens a text takes. Of prompts joined by AND, which have parts of their own, the longest
    counts. `square` brackets weigh as in A1111.
    """
    marked, end = "", 0
    for number, (start, stop, _) in enumerate(names):
        marked += _PRIVATE.sub("\ufffd", prompt[end:start]) + chr(_FIRST_MARK + number)
        end = stop
    places: dict[int, Place] = {}
    longest = _Walk(1, 0)
    for alternative in _ALTERNATIVES.split(marked + _PRIVATE.sub("\ufffd", prompt[end:])):
        walk = _Walk()
        for text, weight in _weighted(read_parentheses(alternative, square=square)):
            _walk_through(walk, text, weight, [vectors for _, _, vectors in names], count)
        places |= walk.places
        longest = max(longest, walk, key=lambda each: (each.part, each.taken))
    tokens = (longest.part - 1) * PART + longest.taken
    return Layout(tokens, longest.part, tuple(places[number] for number in range(len(names))))


def _walk_through(walk: _Walk, text: str, weight: float, vectors: Sequence[int], count: Callable[[str], int]) -> None:
    """Go through a text whose weight is the same everywhere."""
    for number, stretch in enumerate(_BREAK.split(text)):
        if number:
            walk.next_part()
        for piece in _at_marks(stretch, len(vectors)):
            mark = ord(piece) - _FIRST_MARK if len(piece) == 1 else -1
            if 0 <= mark < len(vectors):
                walk.embedding(mark, vectors[mark], weight)
            elif piece:
                walk.text(count(_ESCAPED.sub(r"\1", piece)))


def _at_marks(text: str, marks: int) -> list[str]:
    """The text, divided before and after each mark."""
    return re.split(f"([{chr(_FIRST_MARK)}-{chr(_FIRST_MARK + marks)}])", text)


def _weighted(parts: Iterable[Part], weight: float = 1.0) -> Iterator[tuple[str, float]]:
    """The texts, each with all weights around it multiplied."""
    for part in parts:
        if isinstance(part, str):
            yield part, weight
        else:
            yield from _weighted(part.parts, weight * part.weight)
