"""The embeddings of the library that are most like one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...converters.files import read_all
from ...embeddings.errors import FileError
from ...embeddings.indexed import fingerprint
from ...embeddings.library_directions import unit_of
from .directions import numbers_of, units_of, usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ...embeddings.embedding import Embedding
    from ...embeddings.library import Library

    Place = tuple[str, int]

_SPARE = 8
"""So many more than are wanted are compared by all of their numbers."""


@dataclass(frozen=True)
class Neighbour:
    """An embedding that is like another: its file, its position in it, its name, and how similar it is (cosine)."""

    path: str
    position: int
    name: str
    similarity: float


def neighbours_of(embedding: Embedding, library: Library, folders: Iterable[str], most: int = 8) -> list[Neighbour]:
    """The embeddings below `folders` that are most like `embedding`, the most similar first; its copies are left out.

    Two are as similar as the means of their vectors or, where they have equally many, as their vectors one by one, if
    that is more; over the encoders that both have, on average.
    """
    found: list[Neighbour] = []
    for path, position in _nearest(embedding, library, list(folders), most + _SPARE):
        other = _embedding_at(path, position)
        similarity = other and _similarity(embedding, other)
        if other and similarity is not None:
            found.append(Neighbour(path, position, other.name, similarity))
    return sorted(found, key=lambda each: -each.similarity)[:most]


def _nearest(embedding: Embedding, library: Library, folders: list[str], most: int) -> list[Place]:
    """The places of those that point the most nearly where it does; of several with the same vectors, one."""
    import numpy as np

    similarities: dict[str, list[float]] = {}
    places: dict[str, Place] = {}
    for encoder, vectors in embedding.vectors.items():
        unit = unit_of(vectors)
        directions = library.directions(folders, encoder) if unit else []
        if unit is None or not directions:
            continue
        units = np.frombuffer(b"".join(each.unit for each in directions), "<f2").reshape(len(directions), -1)
        products: list[float] = (units.astype(np.float32) @ np.frombuffer(unit, "<f2").astype(np.float32)).tolist()
        for direction, product in zip(directions, products, strict=True):
            if direction.fingerprint not in places:
                places[direction.fingerprint] = (direction.path, direction.position)
            similarities.setdefault(direction.fingerprint, []).append(product)
    similarities.pop(fingerprint(embedding), None)
    ranked = sorted(similarities, key=lambda key: -sum(similarities[key]) / len(similarities[key]))
    return [places[key] for key in ranked[:most]]


def _embedding_at(path: str, position: int) -> Embedding | None:
    """The embedding in a file; None where the file has become another one since it was indexed."""
    try:
        embeddings = read_all(path)
    except FileError:
        return None
    return embeddings[position] if position < len(embeddings) else None


def _similarity(one: Embedding, other: Embedding) -> float | None:
    shared = [
        similarity
        for encoder in one.vectors.keys() & other.vectors.keys()
        if (similarity := max(_cosines(one, other, encoder), default=None)) is not None
    ]
    return sum(shared) / len(shared) if shared else None


def _cosines(one: Embedding, other: Embedding, encoder: str) -> Iterator[float]:
    """How similar their vectors for an encoder are: the means, and one by one where they are equally many."""
    a, b = numbers_of(one.vectors[encoder]), numbers_of(other.vectors[encoder])
    if a.shape[1] != b.shape[1]:
        return
    yield from _mean_cosine(a.mean(axis=0, keepdims=True), b.mean(axis=0, keepdims=True))
    if len(a) == len(b):
        yield from _mean_cosine(a, b)


def _mean_cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> Iterator[float]:
    import numpy as np

    if usable(a).all() and usable(b).all():
        yield float(np.clip((units_of(a) * units_of(b)).sum(axis=1).mean(), -1, 1))
