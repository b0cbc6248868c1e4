"""What the numbers and the pictures show, in sentences: for screen readers, logs and nodes that return text."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from ...embeddings.errors import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .inside import Inside, Part

MOST_LISTED = 8
"""Of longer lists so many are spelled out."""
LONGEST_NAME = 80
ALIKE = 0.999
"""Vectors more similar than this are all but the same."""


def sentences(inside: Inside) -> list[str]:
    """Everything there is to say of an embedding, one sentence each."""
    said = [sentence for part in inside.parts for sentence in _of_part(part)]
    return [*said, *_of_neighbours(inside)]


def norms_sentence(part: Part) -> str:
    """The norms, and how they stand to the vocabulary's."""
    known = [(norm, label) for norm, label in zip(part.norms, part.labels, strict=True) if norm is not None]
    if not known:
        return "No vector has a norm: there are NaN or infinite numbers in each."
    if len(part.norms) == 1:
        return _clauses(f"Its norm is {_number(known[0][0])}", *_beside_vocabulary(part))
    (low, lowest), (high, highest) = min(known), max(known)
    if _number(low) == _number(high):
        return _clauses(f"Their norms are all {_number(low)}", *_beside_vocabulary(part))
    span = f"Their norms run from {_number(low)} (vector {lowest}) to {_number(high)} (vector {highest})"
    return _clauses(span, *_beside_vocabulary(part))


def similarity_sentence(part: Part) -> str | None:
    """How alike the vectors are; None where there are not two to compare."""
    pairs = _pairs(part)
    if not pairs:
        return None
    if len(pairs) == 1:
        similarity, one, other = pairs[0]
        return f"The similarity of vectors {one} and {other} is {similarity:.2f}."
    (low, *least), (high, *most) = min(pairs), max(pairs)
    mean = sum(pair[0] for pair in pairs) / len(pairs)
    return (
        f"The vectors' similarity to each other is {mean:.2f} on average, at most {high:.2f} (vectors {most[0]} and "
        f"{most[1]}), at least {low:.2f} (vectors {least[0]} and {least[1]})."
    )


def listed(items: Sequence[str], most: int = MOST_LISTED) -> str:
    """`a, b, c`; long lists cut short."""
    some = ", ".join(items[:most])
    return f"{some} and {len(items) - most} more" if len(items) > most else some


def _of_part(part: Part) -> Iterator[str]:
    count = len(part.labels)
    yield f"{part.title}: one vector." if count == 1 else f"{part.title}: {count} vectors."
    broken = _labels(part, [norm is None for norm in part.norms])
    if broken:
        which = _one_or_more(
            broken, "Vector {} holds NaN or infinite numbers", "Vectors {} hold NaN or infinite numbers"
        )
        yield f"{which}; images made with it will be broken."
    empty = _labels(part, [norm == 0 for norm in part.norms])
    if empty:
        all_zeros = "Vector {} is all zeros, and like nothing else.", "Vectors {} are all zeros, and like nothing else."
        yield _one_or_more(empty, *all_zeros)
    if len(broken) < count:
        yield norms_sentence(part)
    alike = similarity_sentence(part)
    if alike:
        yield alike
    yield from _of_doubles(part)
    yield from _of_words(part)


def _of_doubles(part: Part) -> Iterator[str]:
    same = [(one, other) for similarity, one, other in _pairs(part) if similarity >= ALIKE]
    if same:
        one, other = same[0]
        if len(same) == 1:
            yield f"Vectors {one} and {other} are all but the same."
        else:
            yield f"{len(same)} pairs of vectors are all but the same, such as {one} and {other}."


def _of_words(part: Part) -> Iterator[str]:
    if part.words is None:
        yield f"Nearest words: {part.words_missing}."
        return
    near = [(label, words) for label, words in zip(part.labels, part.words, strict=True) if words]
    for label, words in near[:MOST_LISTED]:
        found = listed([f"“{each.word}” ({each.similarity:.2f})" for each in words])
        if len(words) == 1:
            yield f"Vector {label} is nearest to the word {found}."
        else:
            yield f"Vector {label} is nearest to the words {found}."
    if len(near) > MOST_LISTED:
        yield f"The nearest words of the other {len(near) - MOST_LISTED} vectors are in the table."


def _of_neighbours(inside: Inside) -> Iterator[str]:
    if inside.neighbours:
        names = [shortened(one_line(each.name), LONGEST_NAME) for each in inside.neighbours]
        pairs = zip(names, inside.neighbours, strict=True)
        found = listed([f"{name} ({each.similarity:.2f})" for name, each in pairs])
        yield f"In the library it is most like {found}."


def _beside_vocabulary(part: Part) -> Iterator[str]:
    """How the norms stand to those of the vocabulary, in clauses."""
    if part.usual_norms is None:
        return
    low, _, high = part.usual_norms
    yield f"nine in ten words of the model have norms from {_number(low)} to {_number(high)}"
    if len(part.labels) == 1:
        return
    longer = _labels(part, [norm is not None and norm > high for norm in part.norms])
    shorter = _labels(part, [norm is not None and norm < low for norm in part.norms])
    if longer:
        yield _all_or_some(part, longer, "all vectors are longer", "vector {} is longer", "vectors {} are longer")
    if shorter:
        yield _all_or_some(part, shorter, "all vectors are shorter", "vector {} is shorter", "vectors {} are shorter")
    if not longer and not shorter:
        yield "and so has every vector"


def _pairs(part: Part) -> list[tuple[float, str, str]]:
    """The similarity of every two vectors that have one, and what they are called."""
    found = (
        (part.similarity[i][j], part.labels[i], part.labels[j]) for i, j in combinations(range(len(part.labels)), 2)
    )
    return [(similarity, one, other) for similarity, one, other in found if similarity is not None]


def _labels(part: Part, chosen: Sequence[bool]) -> list[str]:
    return [label for label, each in zip(part.labels, chosen, strict=True) if each]


def _all_or_some(part: Part, labels: Sequence[str], everyone: str, one: str, more: str) -> str:
    return everyone if len(labels) == len(part.labels) else _one_or_more(labels, one, more)


def _one_or_more(labels: Sequence[str], one: str, more: str) -> str:
    """What is said of these vectors: whole sentences, which can be translated."""
    return (one if len(labels) == 1 else more).format(listed(labels))


def _clauses(*clauses: str) -> str:
    return f"{'; '.join(clauses)}."


def _number(number: float) -> str:
    return f"{number:.3g}"
