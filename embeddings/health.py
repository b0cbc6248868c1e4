"""What an embedding's numbers, and the files beside it, show to be wrong with it: the codes and what they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dtypes import decode, has_non_finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .embedding import Embedding, Vectors


@dataclass(frozen=True)
class Finding:
    """Something that can be wrong: its code, a title, and a sentence for the user of the embedding."""

    key: str
    title: str
    sentence: str


FINDINGS = {
    finding.key: finding
    for finding in (
        Finding("nan", "NaN", "Some numbers are NaN (not a number); images made with it will be broken."),
        Finding("infinite", "infinite numbers", "Some numbers are infinite; images made with it will be broken."),
        Finding("zeros", "zeros", "Some vectors are all zeros, which were never trained and only take up tokens."),
        Finding("odd-norms", "odd norms", "Some vectors are longer or shorter than any trained word."),
        Finding("duplicate", "duplicate", "Another embedding has exactly the same vectors; one of them is enough."),
        Finding("collision", "name collision", "Another embedding has the same name; programs use only one of them."),
    )
}
"""By code. The last two are not the embedding's own: they are seen only beside the other files."""

_CLIP = frozenset(("clip_l", "clip_h", "clip_g"))
"""The encoders whose words are known to be 0.2 to 0.6 long, and trained ones up to some tens."""
_SHORTEST, _LONGEST = 0.01, 100.0
_FARTHEST_APART = 100.0
"""How many times as long as its shortest vector an embedding's longest may be, for every encoder."""


@dataclass(frozen=True)
class Examination:
    """What the numbers of an embedding show."""

    norms: Mapping[str, tuple[float, ...]]
    """The length (L2) of each vector, by encoder; of output-space vectors by "<encoder> output", of others by layer."""
    codes: tuple[str, ...]
    """Keys of FINDINGS, in its order."""


def examined(embedding: Embedding) -> Examination:
    """The lengths of all vectors, and what is wrong with them."""
    norms: dict[str, tuple[float, ...]] = {}
    codes: set[str] = set()
    for label, vectors in _labelled(embedding):
        lengths = norms[label] = _lengths(vectors)
        codes |= _codes(label, vectors, lengths)
    return Examination(norms, tuple([key for key in FINDINGS if key in codes]) if codes else ())


def health_warnings(embedding: Embedding) -> tuple[str, ...]:
    """A sentence for each thing that makes an embedding unusable: NaN and infinite numbers."""
    broken = [
        label
        for kind in (embedding.vectors, embedding.output_vectors, embedding.layer_vectors)
        for label, vectors in kind.items()
        if has_non_finite(vectors.data, vectors.dtype)
    ]
    if not broken:
        return ()
    warning = (
        f"{', '.join(broken)}: some numbers are NaN or infinite, as when a value outgrows float16; "
        "images made with it will be broken"
    )
    return (warning,)


def _labelled(embedding: Embedding) -> Iterator[tuple[str, Vectors]]:
    yield from embedding.vectors.items()
    for key, vectors in embedding.output_vectors.items():
        yield f"{key} output", vectors
    yield from embedding.layer_vectors.items()


def _lengths(vectors: Vectors) -> tuple[float, ...]:
    import numpy as np

    rows = decode(vectors.data, vectors.dtype).reshape(vectors.shape)
    if vectors.dtype == "float64":  # whose squares may be beyond all numbers
        return tuple([math.hypot(*row) for row in rows.tolist()])
    with np.errstate(invalid="ignore"):  # some NaNs are not quiet
        wide = rows.astype(np.float64)
    return tuple(np.sqrt(np.einsum("ij,ij->i", wide, wide)).tolist())


def _codes(label: str, vectors: Vectors, lengths: tuple[float, ...]) -> set[str]:
    """What is wrong with the vectors of one encoder; the usual answer, nothing, needs only their lengths."""
    shortest, longest = min(lengths), max(lengths)
    least, most = (_SHORTEST, _LONGEST) if label in _CLIP else (0.0, math.inf)
    broken = not sum(lengths) < math.inf  # so it is if one of them is NaN, which min and max may overlook
    if not broken and least < shortest and longest < most and longest < shortest * _FARTHEST_APART:
        return set()
    return set(_looked_through(vectors, least, most))


def _looked_through(vectors: Vectors, least: float, most: float) -> Iterator[str]:
    import numpy as np

    numbers = decode(vectors.data, vectors.dtype).reshape(vectors.shape)
    nonzero = (numbers != 0).any(axis=1)
    if np.isnan(numbers).any():
        yield "nan"
    if np.isinf(numbers).any():
        yield "infinite"
    if not nonzero.all():
        yield "zeros"
    sound = numbers[nonzero & np.isfinite(numbers).all(axis=1)].tolist()
    lengths = [math.hypot(*row) for row in sound] or [1.0]
    if min(lengths) <= least or max(lengths) >= most or max(lengths) >= min(lengths) * _FARTHEST_APART:
        yield "odd-norms"
