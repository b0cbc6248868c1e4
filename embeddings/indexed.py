"""What the library remembers of a file and of the embeddings in it: all that is worth knowing but the numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from .health import examined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .embedding import Embedding, Vectors

    Shapes = Mapping[str, tuple[int, int, str]]

_BROKEN = frozenset(("nan", "infinite"))


@dataclass(frozen=True)
class IndexedEmbedding:
    """An embedding without its numbers."""

    name: str
    aliases: tuple[str, ...]
    base_model: str | None
    tokens: int
    vectors: Shapes
    """Encoder -> number of vectors, width, dtype; in the encoders' order."""
    output_vectors: Shapes
    layer_vectors: Shapes
    step: int | None
    checkpoint_name: str | None
    checkpoint_hash: str | None
    metadata: Mapping[str, str]
    original_sha256: str | None
    """SHA-256 of the file that this one says it was converted from."""
    norms: Mapping[str, tuple[float, ...]]
    """Length (L2) of each vector; keyed as in `health.Examination`."""
    fingerprint: str
    """The same for all embeddings with the same vectors, whatever their names and files."""
    warnings: tuple[str, ...]
    health: tuple[str, ...]
    """Keys of `health.FINDINGS`."""


@dataclass(frozen=True)
class IndexedFile:
    """A file that may hold embeddings, as it was when it was read."""

    path: str
    size: int
    modified_ns: int
    kind: str
    """"embedding", or the code of the error that reading it raises."""
    message: str
    """One line without the path: the format's title, or what it is and what to do."""
    format: str | None = None
    container: str | None = None
    pickled: bool = False
    """Whether other programs run code when they read it."""
    sha256: str | None = None
    """Of the whole file, where somebody has asked for it."""
    embeddings: tuple[IndexedEmbedding, ...] = ()


def indexed(embedding: Embedding) -> IndexedEmbedding:
    """What is worth knowing of `embedding`."""
    origin = embedding.provenance
    examination = examined(embedding)
    return IndexedEmbedding(
        embedding.name,
        embedding.aliases,
        embedding.base_model,
        embedding.tokens,
        _shapes(embedding.vectors),
        _shapes(embedding.output_vectors),
        _shapes(embedding.layer_vectors),
        origin.step,
        origin.checkpoint_name,
        origin.checkpoint_hash,
        {**origin.metadata},
        origin.ancestor_sha256,
        examination.norms,
        fingerprint(embedding),
        embedding.notes if _BROKEN.isdisjoint(examination.codes) else embedding.warnings,
        examination.codes,
    )


def fingerprint(embedding: Embedding) -> str:
    """A hash of all vectors: encoders, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for kind in (embedding.vectors, embedding.output_vectors, embedding.layer_vectors):
        for key, vectors in kind.items():
            digest.update(f"{key} {vectors.dtype} {vectors.shape}\n".encode())
            digest.update(vectors.data)
        digest.update(b"\n")
    return digest.hexdigest()[:32]


def as_text(embeddings: Iterable[IndexedEmbedding]) -> str:
    """The embeddings as JSON; their names may hold anything a file can."""
    return _JSON.encode([[getattr(embedding, name) for name in _FIELDS] for embedding in embeddings])


def from_text(text: str) -> tuple[IndexedEmbedding, ...]:
    """What `as_text` made the text of; raises ValueError where it is not its work."""
    try:
        return tuple([_from_values(dict(zip(_FIELDS, values, strict=True))) for values in json.loads(text)])
    except (TypeError, AttributeError) as error:
        raise ValueError("not the facts of embeddings") from error


def _from_values(known: dict[str, Any]) -> IndexedEmbedding:
    for name in ("aliases", "warnings", "health"):
        known[name] = tuple(known[name])
    for name in ("vectors", "output_vectors", "layer_vectors", "norms"):
        known[name] = {key: tuple(value) for key, value in known[name].items()}
    return IndexedEmbedding(**known)


def _shapes(vectors: Mapping[str, Vectors]) -> Shapes:
    return {key: (*each.shape, each.dtype) for key, each in vectors.items()}


_FIELDS = [each.name for each in fields(IndexedEmbedding)]
_JSON = json.JSONEncoder(separators=(",", ":"))
