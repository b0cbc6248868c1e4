"""What can be asked of the library, and how SQL answers it: search, filters, order, counts, pages."""

# Values are always parameters; what is put into the text of a query are columns and question marks.
# ruff: noqa: S608

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .indexed import IndexedEmbedding, IndexedFile, from_text
from .library_scope import below, edges, mark

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

UNKNOWN = "unknown"
"""The base model of embeddings whose encoders leave it open."""
MOST_TWINS = 100
"""Embeddings with the same vectors that are told of one."""
DUPLICATE, COLLISION = "duplicate", "collision"
SORTS = {
    "name": "name",
    "file": "file_name",
    "modified": "modified_ns",
    "size": "size",
    "tokens": "tokens",
    "base-model": "base_model",
    "format": "format",
    "norm": "norm",
}
"""What rows can be sorted by, and the column that has it."""


@dataclass(frozen=True)
class Query:
    """Which rows are wanted, in which order. Of several values of a filter any will do; no value means all."""

    text: str = ""
    """Words that must all occur in name, aliases, file name, metadata or remarks, in any case and Unicode form."""
    base_models: tuple[str, ...] = ()
    """Keys of BASE_MODELS, and UNKNOWN."""
    formats: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders at or below those that are asked about."""
    health: tuple[str, ...] = ()
    """Keys of `health.FINDINGS`."""
    kinds: tuple[str, ...] = ()
    sort: str = "name"
    """A key of SORTS. Rows that have no such value come last in both directions."""
    descending: bool = False
    offset: int = 0
    limit: int = 60


@dataclass(frozen=True)
class Row:
    """An embedding and its file; `embedding` is None for a file that holds none."""

    file: IndexedFile
    embedding: IndexedEmbedding | None
    position: int
    """Of the embedding among those of its file."""
    collides: bool
    """Whether another embedding below the same folder has this name, and other vectors."""
    duplicates: int
    """How many other embeddings have exactly these vectors."""


@dataclass(frozen=True)
class Page:
    """Some of the rows that a query finds, and how many there are in all.

    `facets` says how many rows each value of a filter has ("base_model", "format", "folder", "health", "kind"), with
    the text and the other filters as they are. Folders are spelled as they were asked about.
    """

    total: int
    rows: tuple[Row, ...]
    facets: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class _Filter:
    """A condition, and the values of its question marks."""

    sql: str
    values: tuple[Any, ...] = ()


def page_of(connection: sqlite3.Connection, folders: Sequence[str], query: Query) -> Page:
    """The page of rows that `query` wants."""
    mark(connection, folders)
    words = bindable(searchable(query.text)).split()
    text = _Filter(" AND ".join(["instr(searched, ?)"] * len(words)) or "1", tuple(words))
    filters = _filters(query)
    inside = filters["folder"]
    counts = connection.execute(
        f"""SELECT root, {inside.sql}, kind, format, base_model, health, duplicates > 0, collides, count(*)
        FROM marked WHERE {text.sql} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8""",
        (*inside.values, *text.values),
    )
    total, facets = _counted(counts, folders, query)
    wanted = [text, *filters.values()]
    column, direction = SORTS[query.sort], "DESC" if query.descending else "ASC"
    rows = connection.execute(
        f"""SELECT file, position, collides, duplicates FROM marked
        WHERE {" AND ".join(each.sql for each in wanted)}
        ORDER BY {column} IS NULL, {column} {direction}, path, position LIMIT ? OFFSET ?""",
        (*(value for each in wanted for value in each.values), query.limit, query.offset),
    )
    return Page(total, rows_of(connection, rows.fetchall()), facets)


def alike(connection: sqlite3.Connection, folders: Sequence[str], finding: str) -> list[tuple[Row, ...]]:
    """The rows that are duplicates of one another, or collide with one another, group by group."""
    mark(connection, folders)
    marked, group = ("duplicates", "fingerprint") if finding == DUPLICATE else ("collides", "root, name")
    found = connection.execute(
        f"SELECT file, position, collides, duplicates, {group} FROM marked WHERE {marked} ORDER BY {group}, path"
    ).fetchall()
    groups: dict[Any, list[Row]] = {}
    for row, values in zip(rows_of(connection, [each[:4] for each in found]), found, strict=True):
        groups.setdefault(values[4:], []).append(row)
    return [tuple(rows) for rows in groups.values()]


def row_and_twins(connection: sqlite3.Connection, folders: Sequence[str], place: tuple[bytes, int]) -> tuple[Row, ...]:
    """The row of a path and a position, and after it those with the same vectors; nothing where there is none."""
    mark(connection, folders)
    found = connection.execute(
        """SELECT file, position, collides, duplicates FROM marked WHERE (path, position) = (?, ?) OR fingerprint =
        (SELECT fingerprint FROM marked WHERE (path, position) = (?, ?))
        ORDER BY (path, position) <> (?, ?), path, position LIMIT ?""",
        (*place * 3, MOST_TWINS + 1),
    ).fetchall()
    return rows_of(connection, found)


def rows_of(connection: sqlite3.Connection, found: Sequence[tuple[int, int, int, int]]) -> tuple[Row, ...]:
    """The rows of `(file, position, collides, duplicates)`."""
    known = {
        number: file
        for chunk in _chunks(list({file for file, *_ in found}))
        for number, file in read_files(connection, f"id IN ({','.join('?' * len(chunk))})", chunk)
    }
    return tuple([_row(known[file], position, bool(collides), twins) for file, position, collides, twins in found])


def read_files(
    connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int = -1
) -> Iterator[tuple[int, IndexedFile]]:
    """The first `limit` files that a condition holds for, in the order of their paths, each with its number."""
    columns = "id, path, size, modified_ns, kind, message, format, container, pickled, sha256, embeddings"
    for row in connection.execute(
        f"SELECT {columns} FROM files JOIN facts ON file = id WHERE {where} ORDER BY path LIMIT ?", (*values, limit)
    ):
        number, path, size, modified_ns, kind, message, format_, container, pickled, sha256, embeddings = row
        what = (kind, message, format_, container, bool(pickled), sha256)
        yield number, IndexedFile(os.fsdecode(path), size, modified_ns, *what, from_text(embeddings))


def searchable(text: str) -> str:
    """What is the same for all cases, Unicode forms and accents of `text`."""
    if text.isascii():
        return text.lower()
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join([character for character in spelled if not unicodedata.combining(character)])


def bindable(text: str) -> str:
    """`text` as SQLite takes it: names can hold halves of characters, which UTF-8 has no form for."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _row(file: IndexedFile, position: int, collides: bool, duplicates: int) -> Row:
    embedding = file.embeddings[position] if file.embeddings else None
    return Row(file, embedding, position, collides, duplicates)


def _filters(query: Query) -> dict[str, _Filter]:
    """The condition of each filter."""
    return {
        "base_model": _among("base_model", query.base_models),
        "format": _among("format", query.formats),
        "kind": _among("kind", query.kinds),
        "folder": _Filter(below(len(query.folders)), edges(query.folders)) if query.folders else _Filter("1"),
        "health": _healthy(query.health),
    }


def _among(column: str, values: tuple[str, ...]) -> _Filter:
    if not values:
        return _Filter("1")
    return _Filter(f"ifnull({column} IN ({','.join('?' * len(values))}), 0)", tuple(map(bindable, values)))


def _healthy(codes: tuple[str, ...]) -> _Filter:
    """Whether a row has one of the findings: two are marks, the others words of a column."""
    marks = [mark for code, mark in ((DUPLICATE, "duplicates"), (COLLISION, "collides")) if code in codes]
    words = tuple(bindable(code) for code in codes if code not in (DUPLICATE, COLLISION))
    conditions = marks + ["instr(health, ' ' || ? || ' ')"] * len(words)
    return _Filter(f"({' OR '.join(conditions)})", words) if codes else _Filter("1")


def _counted(
    counts: Iterable[tuple[Any, ...]], folders: Sequence[str], query: Query
) -> tuple[int, dict[str, dict[str, int]]]:
    """How many rows there are in all, and for each value of each filter, where the other filters are met."""
    total = 0
    wanted = {"base_model": query.base_models, "format": query.formats, "kind": query.kinds, "health": query.health}
    facets = {name: Counter[str]() for name in (*wanted, "folder")}
    for root, inside, kind, format_, base_model, health, twins, collides, count in counts:
        marks = [mark for mark, has in ((DUPLICATE, twins), (COLLISION, collides)) if has]
        values: dict[str, Sequence[str]] = {
            "base_model": [base_model] if base_model else [],
            "format": [format_] if format_ else [],
            "kind": [kind],
            "health": [*health.split(), *marks],
            "folder": [folders[int(root)]],
        }
        unmet = [name for name, some in wanted.items() if some and not set(some).intersection(values[name])]
        unmet += [] if inside else ["folder"]
        total += 0 if unmet else count
        for name in unmet if len(unmet) == 1 else [] if unmet else facets:
            facets[name].update(dict.fromkeys(values[name], count))
    return total, {name: dict(facet) for name, facet in facets.items()}


def _chunks(values: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(values), 500):
        yield values[start : start + 500]
