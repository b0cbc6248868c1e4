"""Where the embeddings of the library point: the mean of each one's vectors, so that those that are alike are found.

Made when somebody first asks, by reading the files once more, and kept by fingerprint from then on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .dtypes import decode
from .indexed import fingerprint
from .library_scope import mark

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from .embedding import Embedding, Vectors
    from .library_records import Reader

NO_ENCODER = ""
"""Stands for the encoders of embeddings that have none, so that they are not read again and again."""


class Direction(NamedTuple):
    """Where an embedding points: `unit` is the mean of the vectors, with length 1, as little-endian float16."""

    path: str
    position: int
    fingerprint: str
    unit: bytes


def known_directions(connection: sqlite3.Connection, folders: Sequence[str], encoder: str) -> list[Direction]:
    """Those of all embeddings below `folders` that have vectors for `encoder`, as far as they were made."""
    mark(connection, folders)
    rows = connection.execute(
        "SELECT path, position, fingerprint, unit FROM marked JOIN directions USING (fingerprint) WHERE encoder = ?",
        (encoder,),
    ).fetchall()
    return [Direction(os.fsdecode(path), position, key, unit) for path, position, key, unit in rows]


def without_directions(connection: sqlite3.Connection, folders: Sequence[str]) -> list[str]:
    """The files below `folders` with an embedding whose direction nobody has asked for yet."""
    mark(connection, folders)
    rows = connection.execute(
        "SELECT DISTINCT path FROM marked WHERE fingerprint IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM directions WHERE directions.fingerprint = marked.fingerprint AND encoder = ?)",
        (NO_ENCODER,),
    ).fetchall()
    return [os.fsdecode(path) for (path,) in rows]


def read_directions(reader: Reader, paths: Iterable[str]) -> list[tuple[str, str, bytes]]:
    """The rows of the embeddings in files: fingerprint, encoder, unit."""
    return [row for path in paths for embedding in reader.read(path).embeddings for row in _rows(embedding)]


def put_directions(connection: sqlite3.Connection, rows: Iterable[tuple[str, str, bytes]]) -> None:
    """Store rows."""
    connection.executemany("INSERT OR REPLACE INTO directions VALUES (?,?,?)", rows)


def forget_directions(connection: sqlite3.Connection) -> None:
    """Delete the rows of embeddings that are gone."""
    connection.execute(
        "DELETE FROM directions WHERE fingerprint NOT IN "
        "(SELECT fingerprint FROM entries WHERE fingerprint IS NOT NULL)"
    )


def _rows(embedding: Embedding) -> Iterator[tuple[str, str, bytes]]:
    key = fingerprint(embedding)
    yield key, NO_ENCODER, b""
    for encoder, vectors in embedding.vectors.items():
        unit = unit_of(vectors)
        if unit is not None:
            yield key, encoder, unit


def unit_of(vectors: Vectors) -> bytes | None:
    """The mean of the vectors, with length 1, as float16; None where it has no direction."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # a signalling NaN is a number like any other here
        numbers = decode(vectors.data, vectors.dtype).reshape(vectors.shape).astype(np.float64)
    largest = np.abs(numbers).max()
    if not (np.isfinite(largest) and largest > 0):
        return None
    mean = (numbers / largest).mean(axis=0)
    length = np.linalg.norm(mean)
    return (mean / length).astype("<f2").tobytes() if length > 0 else None
