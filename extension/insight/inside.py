"""What is inside one embedding, as facts: for every encoder its norms, similarities and nearest words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...embeddings.text_encoders import TEXT_ENCODERS
from .directions import cosines_of, norms_of, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...embeddings.embedding import Embedding, Vectors
    from .neighbours import Neighbour
    from .token_tables import TokenTable

NO_TABLE = "no model with this text encoder is loaded; load one to see the words that are near"
NO_WORDS_OUTSIDE = "these vectors replace what the text encoder returns, which no word of its vocabulary is like"
TITLES = {"input": "{}", "output": "{}, output vectors", "layer": "{}, a vector for each layer"}
"""How the vectors of an encoder are called, by their space."""


@dataclass(frozen=True)
class Word:
    """A word of a vocabulary, as people read it, and how similar a vector is to it (cosine)."""

    word: str
    similarity: float


@dataclass(frozen=True)
class Part:
    """The vectors of one text encoder and one space; every tuple has an entry for each vector, in order.

    `key` is unique in the embedding. None stands for what NaN, infinite numbers and zeros leave undefined.
    """

    key: str
    encoder: str
    """The title of the text encoder."""
    space: str
    """One of input, output, layer."""
    labels: tuple[str, ...]
    """What the vectors are called: numbers from 1, or layers."""
    norms: tuple[float | None, ...]
    similarity: tuple[tuple[float | None, ...], ...]
    words: tuple[tuple[Word, ...], ...] | None
    """The nearest words of each vector; none of those without direction. None without a token table."""
    words_missing: str | None
    """Why `words` is None."""
    usual_norms: tuple[float, float, float] | None
    """The norms below which 5, 50 and 95 in 100 words of the vocabulary are."""

    @property
    def title(self) -> str:
        """What its vectors are called."""
        return TITLES[self.space].format(self.encoder)


@dataclass(frozen=True)
class Inside:
    """What is inside an embedding, and which embeddings are like it."""

    name: str
    parts: tuple[Part, ...]
    neighbours: tuple[Neighbour, ...]


def inside(
    embedding: Embedding,
    tables: Mapping[str, TokenTable] | None = None,
    neighbours: Sequence[Neighbour] = (),
    *,
    words: int = 5,
) -> Inside:
    """Look inside `embedding`; `tables` are the loaded model's token tables by encoder key."""
    return Inside(
        embedding.name,
        tuple(_part(rows, tables or {}, words) for rows in _all_rows(embedding)),
        tuple(neighbours),
    )


def as_values(inside: Inside) -> dict[str, Any]:
    """The facts as plain values for JSON, numbers with four digits; neighbours by name."""
    return {
        "name": inside.name,
        "encoders": [_part_values(part) for part in inside.parts],
        "neighbours": [{"name": each.name, "similarity": _rounded(each.similarity)} for each in inside.neighbours],
    }


class _Rows(NamedTuple):
    """Vectors that belong together, before anything is known of them."""

    key: str
    encoder: str
    space: str
    labels: tuple[str, ...]
    numbers: NDArray[np.float64]


def _all_rows(embedding: Embedding) -> Iterator[_Rows]:
    for space, vectors in (("input", embedding.vectors), ("output", embedding.output_vectors)):
        for encoder, each in vectors.items():
            labels = tuple(str(number) for number in range(1, each.shape[0] + 1))
            yield _Rows(encoder if space == "input" else f"{encoder}-{space}", encoder, space, labels, numbers_of(each))
    if embedding.layer_vectors:
        yield from _layers(embedding.layer_vectors)


def _layers(layers: Mapping[str, Vectors]) -> Iterator[_Rows]:
    """The vectors of all layers below one another: those of each layer stand in for a word of CLIP's input."""
    import numpy as np

    for width in dict.fromkeys(each.shape[1] for each in layers.values()):
        alike = {key: each for key, each in layers.items() if each.shape[1] == width}
        labels = tuple(
            key if each.shape[0] == 1 else f"{key} {number}"
            for key, each in alike.items()
            for number in range(1, each.shape[0] + 1)
        )
        numbers = np.concatenate([numbers_of(each) for each in alike.values()])
        yield _Rows(f"layers-{width}", "clip_l", "layer", labels, numbers)


def _part(rows: _Rows, tables: Mapping[str, TokenTable], count: int) -> Part:
    table, missing = _table_for(rows, tables)
    words = None
    if table is not None:
        words = tuple(tuple(Word(*each) for each in near) for near in table.nearest(rows.numbers, count))
    return Part(
        rows.key,
        TEXT_ENCODERS[rows.encoder].title,
        rows.space,
        rows.labels,
        norms_of(rows.numbers),
        cosines_of(rows.numbers),
        words,
        missing,
        table.usual_norms if table is not None else None,
    )


def _table_for(rows: _Rows, tables: Mapping[str, TokenTable]) -> tuple[TokenTable | None, str | None]:
    """The table that the vectors are to be compared with, or why there is none."""
    if rows.space == "output":
        return None, NO_WORDS_OUTSIDE
    table = tables.get(rows.encoder)
    if table is None:
        return None, NO_TABLE
    width, needed = table.rows.shape[1], rows.numbers.shape[1]
    if width != needed:
        return None, f"the loaded model's token table is {width} wide, these vectors are {needed}"
    return table, None


def _part_values(part: Part) -> dict[str, Any]:
    words = part.words
    return {
        "key": part.key,
        "title": part.title,
        "space": part.space,
        "labels": list(part.labels),
        "norms": [_rounded(each) for each in part.norms],
        "usual_norms": part.usual_norms and [_rounded(each) for each in part.usual_norms],
        "similarity": [[_rounded(each) for each in row] for row in part.similarity],
        "words": words and [[{"word": w.word, "similarity": _rounded(w.similarity)} for w in near] for near in words],
        "words_missing": part.words_missing,
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")
