"""What is written about embeddings in other files, as far as searches look into it; the library only remembers it.

It is kept by the path of the embedding's file, so that it stays when that is read anew.
"""

# ruff: noqa: S608  # values are always parameters

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .library_query import bindable, searchable
from .library_scope import below, edges

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_LONGEST_SEARCHED = 8000
"""Characters of what is written about an embedding that are searched."""


@dataclass(frozen=True)
class Remarks:
    """What is written about the embeddings of a file, by their positions; nothing to have the library forget it."""

    path: str
    state: str
    """Whatever tells whether it has to be read again."""
    texts: Sequence[str]


def known_remarks(connection: sqlite3.Connection, folders: Sequence[str]) -> dict[str, str]:
    """The state of what is remembered, by the path of the embedding's file, below `folders`."""
    rows = connection.execute(f"SELECT path, state FROM remarks WHERE {below(len(folders))}", edges(folders))
    return {os.fsdecode(path): state for path, state in rows}


def known_paths(connection: sqlite3.Connection, folders: Sequence[str]) -> list[str]:
    """The paths of all files that are known below `folders`."""
    rows = connection.execute(f"SELECT path FROM files WHERE {below(len(folders))}", edges(folders))
    return [os.fsdecode(path) for (path,) in rows]


def put_remarks(connection: sqlite3.Connection, remarks: Sequence[Remarks]) -> None:
    """Remember what is written about files, in place of what was."""
    connection.execute("UPDATE state SET changes = changes + 1")
    connection.executemany("DELETE FROM remarks WHERE path = ?", [(os.fsencode(each.path),) for each in remarks])
    connection.executemany(
        "INSERT INTO remarks VALUES (?,?,?,?)",
        [
            (os.fsencode(each.path), position, each.state, bindable(searchable(text[:_LONGEST_SEARCHED])))
            for each in remarks
            for position, text in enumerate(each.texts)
        ],
    )
