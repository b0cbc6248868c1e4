"""The folders that the library is asked about, and the SQL that finds everything in them and compares it."""

# ruff: noqa: S608  # values are always parameters

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Scope:
    """Folders as they were spelled, and the table `marked`: their embeddings, and the files that hold none.

    Duplicates are counted among all of the folders, since content is the same everywhere; names collide only below
    the same folder. Pictures that belong to a model file are left out, unless they hold an embedding.
    """

    folders: tuple[str, ...]
    sql: str
    values: tuple[bytes, ...]


def scope_of(folders: Iterable[str]) -> Scope:
    """The scope of all files below `folders`, each file once."""
    chosen = outermost(folders)
    roots = " ".join(f"WHEN path >= ? AND path < ? THEN {number}" for number in range(len(chosen)))
    return Scope(
        tuple(chosen),
        f"""WITH scope AS MATERIALIZED (
            SELECT CASE {roots or "WHEN 0 THEN 0"} END AS root, files.*, entries.* FROM files
            JOIN entries ON entries.file = files.id
            WHERE {below(len(chosen))} AND (kind = 'embedding' OR NOT preview)
        ), twins AS (
            SELECT fingerprint AS twin, count(*) - 1 AS others FROM scope
            WHERE fingerprint IS NOT NULL GROUP BY fingerprint HAVING count(*) > 1
        ), clashes AS (
            SELECT root AS place, name AS called FROM scope
            WHERE fingerprint IS NOT NULL GROUP BY root, name HAVING min(fingerprint) <> max(fingerprint)
        ), marked AS (
            SELECT scope.*, ifnull(others, 0) AS duplicates,
                called IS NOT NULL AND fingerprint IS NOT NULL AS collides FROM scope
            LEFT JOIN twins ON twin = fingerprint
            LEFT JOIN clashes ON place = root AND called = name
        )""",
        edges(chosen) * 2,
    )


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
