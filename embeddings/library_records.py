"""How files get into the library: what a reader made of them becomes rows of its tables, and rows are replaced."""

# ruff: noqa: S608  # values are always parameters

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .indexed import as_text, indexed
from .library_query import UNKNOWN, bindable, searchable
from .library_scope import below, edges
from .library_walk import is_recent
from .prompts import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from .embedding import Embedding
    from .indexed import IndexedEmbedding
    from .library_walk import SortedOut, State

UNREADABLE = "unreadable"
"""The kind of files whose next reading may end otherwise though they are the same."""
_LONGEST_SEARCHED = 8000
"""Characters of an embedding's texts that are searched; training logs can have millions."""


@dataclass(frozen=True)
class Contents:
    """What a reader makes of a file: the fields of an IndexedFile, and the embeddings with their numbers."""

    kind: str
    message: str
    format: str | None = None
    container: str | None = None
    pickled: bool = False
    embeddings: Sequence[Embedding] = ()


@dataclass(frozen=True)
class Reader:
    """What the library has to be told of files: which to read, and what is in them."""

    revision: str
    """Another one, and everything is read again."""
    suffixes: frozenset[str]
    """Of the files that may hold embeddings, in lower case, with the dot."""
    read: Callable[[str], Contents]
    """What is in a file; never raises."""
    sorted_out: SortedOut
    command: tuple[str, ...] = ()
    """What starts another process that reads (`library_reading.serve`), for very many files; nothing if none can."""


@dataclass(frozen=True)
class Record:
    """The rows of one file, without the number that they share."""

    file: tuple[Any, ...]
    facts: str
    entries: tuple[tuple[Any, ...], ...]


def record_of(path: bytes, state: State, contents: Contents) -> Record:
    """The rows of a file that was in `state` before it was read."""
    size, modified_ns, preview, _ = state
    settled = contents.kind != UNREADABLE and not is_recent(state)
    name = os.fsdecode(os.path.basename(path))
    searched = bindable(searchable(name))
    found = [indexed(embedding) for embedding in contents.embeddings]
    pickled = contents.pickled
    what = (contents.kind, bindable(contents.message), contents.format, contents.container, pickled)
    file = (path, size, modified_ns, preview, settled, *what, searched)
    entries = tuple([(position, *_entry(each, searched)) for position, each in enumerate(found)])
    if not entries:
        stem = os.path.splitext(name)[0]
        entries = ((0, bindable(fold(stem)), None, None, None, None, "", searched),)
    return Record(file, as_text(found), entries)


def known_states(connection: sqlite3.Connection, folders: Sequence[str]) -> dict[bytes, State]:
    """The state in which each file below `folders` was read, by path."""
    rows = connection.execute(
        f"SELECT path, size, modified_ns, preview, settled FROM files WHERE {below(len(folders))}", edges(folders)
    )
    return {path: (size, modified, preview, settled) for path, size, modified, preview, settled in rows}


def put(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Store the rows of files, in place of those that they had."""
    chosen = list(records)
    paths = [record.file[0] for record in chosen]
    marks = ",".join("?" * len(paths))
    known = connection.execute(f"SELECT path FROM files WHERE path IN ({marks})", paths).fetchall()
    forget(connection, [path for (path,) in known])
    first = connection.execute("SELECT ifnull(max(id), 0) + 1 FROM files").fetchone()[0]
    numbered = list(enumerate(chosen, first))
    connection.executemany(
        "INSERT INTO files (id, path, size, modified_ns, preview, settled, kind, message, format, container, pickled, "
        "file_name) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        [(number, *record.file) for number, record in numbered],
    )
    connection.executemany("INSERT INTO facts VALUES (?,?)", [(number, record.facts) for number, record in numbered])
    connection.executemany(
        "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?)",
        [(number, *entry) for number, record in numbered for entry in record.entries],
    )


def forget(connection: sqlite3.Connection, paths: Iterable[bytes]) -> None:
    """Delete all rows of files."""
    connection.execute("UPDATE state SET changes = changes + 1")
    keys = [(path,) for path in paths]
    for table in ("entries", "facts"):
        connection.executemany(f"DELETE FROM {table} WHERE file = (SELECT id FROM files WHERE path = ?)", keys)
    connection.executemany("DELETE FROM files WHERE path = ?", keys)


def _entry(embedding: IndexedEmbedding, file_name: str) -> tuple[Any, ...]:
    texts = (embedding.name, *embedding.aliases, *embedding.metadata.values())
    searched = searchable("\n".join(texts)[:_LONGEST_SEARCHED])
    norms = [norm for norms in embedding.norms.values() for norm in norms]
    return (
        bindable(fold(embedding.name)),
        embedding.base_model or UNKNOWN,
        embedding.tokens,
        max(norms, default=None),
        embedding.fingerprint,
        f" {' '.join(embedding.health)} " if embedding.health else "",
        f"{file_name}\n{bindable(searched)}",
    )
