"""The library: one index of all embeddings in some folders, which every part of loanword and every process shares.

It remembers of each file what reading it gave, by path, size and time of the last change, so that only what is new is
read. It knows no file format: what a file is it is told by the `Reader` that it is given.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .errors import UnknownName
from .indexed import IndexedEmbedding, IndexedFile
from .library_directions import (
    Direction,
    forget_directions,
    known_directions,
    put_directions,
    read_directions,
    without_directions,
)
from .library_query import (
    COLLISION,
    DUPLICATE,
    SORTS,
    UNKNOWN,
    Page,
    Query,
    Row,
    alike,
    page_of,
    read_files,
    row_and_twins,
)
from .library_records import Contents, Reader
from .library_remarks import Remarks, known_paths, known_remarks, put_remarks
from .library_scan import Scan, Scanner
from .library_scope import edges, outermost
from .library_store import MEMORY, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "COLLISION",
    "DUPLICATE",
    "MEMORY",
    "SORTS",
    "UNKNOWN",
    "Contents",
    "Direction",
    "IndexedEmbedding",
    "IndexedFile",
    "Library",
    "Page",
    "Query",
    "Reader",
    "Remarks",
    "Row",
    "Scan",
]

_AT_ONCE = 250
"""Files that are handled before the index is asked again."""


class Library:
    """The index at `path`, or in memory where that is MEMORY; to be closed, or used as a context manager.

    Safe with several threads and processes. A damaged index is replaced, one that cannot be written kept in memory.
    """

    def __init__(self, path: str, reader: Reader) -> None:
        self._reader = reader
        self._store = Store(path, reader.revision)

    @property
    def path(self) -> str:
        """Where the index is; MEMORY where it is in memory only."""
        return self._store.path

    def scan(
        self,
        folders: Iterable[str],
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Scan:
        """Bring what is known of all files below `folders` up to date.

        `progress` is told how many of how many files have been read. When `cancelled` says so, what was read until
        then is kept, and the rest is left for the next scan.
        """
        return Scanner(self._store, self._reader, progress, cancelled).scan(outermost(folders))

    def file(self, path: str, *, hashed: bool = False) -> IndexedFile | None:
        """What is known of a file; if `hashed`, with its SHA-256, which is computed when that is first asked for."""
        key = os.fsencode(os.path.abspath(path))
        found = next(iter(self._files("path = ?", (key,))), None)
        if found is None or not hashed or found.sha256 is not None:
            return found
        state = (found.size, found.modified_ns)
        digest = _sha256(path, state)
        self._store.run(
            lambda connection: connection.execute(
                "UPDATE files SET sha256 = ? WHERE (path, size, modified_ns) = (?, ?, ?)", (digest, key, *state)
            ).close(),
            writing=True,
        )
        return replace(found, sha256=digest)

    def files(self, folders: Iterable[str]) -> Iterator[IndexedFile]:
        """Everything that is known below `folders`, in the order of paths."""
        for folder in sorted(outermost(folders)):
            last, end = edges([folder])
            while some := self._files("path > ? AND path < ?", (last, end), _AT_ONCE):
                yield from some
                last = os.fsencode(some[-1].path)

    def page(self, folders: Iterable[str], query: Query) -> Page:
        """The rows below `folders` that `query` wants; raises UnknownName where nothing can be sorted so."""
        if query.sort not in SORTS:
            raise UnknownName(f"nothing is sorted by {query.sort!r}; there are {', '.join(SORTS)}")
        chosen = outermost(folders)
        return self._store.run(lambda connection: page_of(connection, chosen, query))

    def row(self, path: str, position: int, folders: Iterable[str]) -> tuple[Row, ...]:
        """The row of an embedding, seen beside all below `folders`, and after it those with the same vectors.

        Nothing where it is not below them, or not known.
        """
        chosen, place = outermost(folders), (os.fsencode(os.path.abspath(path)), position)
        return self._store.run(lambda connection: row_and_twins(connection, chosen, place))

    def duplicates(self, folders: Iterable[str]) -> list[tuple[Row, ...]]:
        """The embeddings with the same vectors, group by group."""
        chosen = outermost(folders)
        return self._store.run(lambda connection: alike(connection, chosen, DUPLICATE))

    def collisions(self, folders: Iterable[str]) -> list[tuple[Row, ...]]:
        """The embeddings with one name and different vectors, group by group."""
        chosen = outermost(folders)
        return self._store.run(lambda connection: alike(connection, chosen, COLLISION))

    def directions(self, folders: Iterable[str], encoder: str) -> list[Direction]:
        """Where each embedding below `folders` that has vectors for `encoder` points.

        Those that nobody has asked for before are made from their files now, which takes as long as a first scan.
        """
        chosen = outermost(folders)
        pending = self._store.run(lambda connection: without_directions(connection, chosen))
        if pending:
            self._store.run(forget_directions, writing=True)
        for start in range(0, len(pending), _AT_ONCE):
            rows = read_directions(self._reader, pending[start : start + _AT_ONCE])
            self._store.run(partial(put_directions, rows=rows), writing=True)
        return self._store.run(lambda connection: known_directions(connection, chosen, encoder))

    def paths(self, folders: Iterable[str]) -> list[str]:
        """The paths of all files that are known below `folders`."""
        chosen = outermost(folders)
        return self._store.run(lambda connection: known_paths(connection, chosen))

    def remarks(self, folders: Iterable[str]) -> dict[str, str]:
        """The paths of the files below `folders` that `remember` was told of, and the states that it was given."""
        chosen = outermost(folders)
        return self._store.run(lambda connection: known_remarks(connection, chosen))

    def remember(self, remarks: Sequence[Remarks]) -> None:
        """Have searches look into what is written about embeddings, too."""
        self._store.run(partial(put_remarks, remarks=remarks), writing=True)

    def close(self) -> None:
        """Close the index."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _files(self, where: str, values: Sequence[object], limit: int = 1) -> list[IndexedFile]:
        return self._store.run(lambda connection: [file for _, file in read_files(connection, where, values, limit)])


def _sha256(path: str, state: tuple[int, int]) -> str | None:
    """The hash of a file that is still in `state`; None where it is not, or cannot be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            status = os.fstat(file.fileno())
    except OSError:
        return None
    return digest.hexdigest() if (status.st_size, status.st_mtime_ns) == state else None
