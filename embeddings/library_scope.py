"""The folders that the library is asked about: everything in them in one table, compared with one another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence


_MARKED = """WITH scope AS MATERIALIZED (
    SELECT CASE {roots} END AS root, path, size, modified_ns, kind, format, file_name, file, position, name,
        base_model, tokens, norm, fingerprint, health, searched || ifnull(char(10) || remarked, '') AS searched
    FROM files JOIN entries ON entries.file = files.id
    LEFT JOIN (SELECT path AS about, position AS place, searched AS remarked FROM remarks)
        ON about = path AND place = position
    WHERE {below} AND (kind = 'embedding' OR NOT preview)
), twins AS (
    SELECT fingerprint AS twin, count(*) - 1 AS others FROM scope
    WHERE fingerprint IS NOT NULL GROUP BY fingerprint HAVING count(*) > 1
), clashes AS (
    SELECT root AS place, name AS called FROM scope
    WHERE fingerprint IS NOT NULL GROUP BY root, name HAVING min(fingerprint) <> max(fingerprint)
)
SELECT scope.*, ifnull(others, 0) AS duplicates, called IS NOT NULL AND fingerprint IS NOT NULL AS collides
FROM scope LEFT JOIN twins ON twin = fingerprint LEFT JOIN clashes ON place = root AND called = name"""


def mark(connection: sqlite3.Connection, folders: Sequence[str]) -> None:
    """Make the table `marked` of this connection: the embeddings in `folders`, and the files that hold none.

    Each row knows its `root`, the place of its folder among `folders`. Duplicates are counted in all of them, since
    content is the same everywhere; names collide only below the same folder. Pictures that belong to a model are left
    out, unless they hold an embedding. The table is made again only after something has changed.
    """
    changes = connection.execute("SELECT changes FROM state").fetchone()[0]
    now = repr((changes, *folders))
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS marking AS SELECT '' AS done")
    if connection.execute("SELECT done FROM marking").fetchone() == (now,):
        return
    roots = " ".join(f"WHEN path >= ? AND path < ? THEN {number}" for number in range(len(folders)))
    selected = _MARKED.format(roots=roots or "WHEN 0 THEN 0", below=below(len(folders)))
    connection.execute("DROP TABLE IF EXISTS marked")
    connection.execute(f"CREATE TEMP TABLE marked AS {selected}", edges(folders) * 2)
    connection.execute("UPDATE marking SET done = ?", (now,))


def outermost(folders: Iterable[str]) -> list[str]:
    """The folders as they are spelled, without those that lie in another or are another under a second name."""
    chosen: dict[str, str] = {}
    for folder in sorted(dict.fromkeys(folders), key=lambda folder: len(os.path.realpath(folder))):
        chosen.setdefault(os.path.realpath(folder), folder)
    inner = {real for real in chosen for other in chosen if other != real and _is_below(real, other)}
    return [folder for real, folder in chosen.items() if real not in inner]


def below(count: int) -> str:
    """A condition on `path` for one of `count` folders, whose `edges` are the values."""
    return f"({' OR '.join(['(path >= ? AND path < ?)'] * count) or '0'})"


def edges(folders: Sequence[str]) -> tuple[bytes, ...]:
    """For each folder the least path in it, and the least behind it."""
    starts = [os.fsencode(os.path.join(os.path.abspath(folder), "")) for folder in folders]
    return tuple(edge for start in starts for edge in (start, start[:-1] + bytes((start[-1] + 1,))))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))
