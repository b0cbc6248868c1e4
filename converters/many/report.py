"""The report: what became of every file, as JSON lines that have the same columns, all text or whole numbers.

SELECT outcome, count(*) FROM 'report.jsonl' WHERE part = 1 GROUP BY outcome      -- DuckDB
SELECT source, reason FROM 'report.jsonl' WHERE outcome = 'failed'
SELECT source, duplicate_of FROM 'report.jsonl' WHERE duplicate_of <> ''
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...embeddings.errors import CannotWrite
from ..atomic import write_atomic_in_pieces
from ..batch import Outcome
from ..finding import Found
from ..places import is_url
from .journal import string_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from sqlite3 import Row

COLUMNS = {
    "source": "the file that was read",
    "part": "1 for the first file that the source became, 2 for the second, …; 1 where it became none",
    "outcome": "converted; identical: it was there already, the same; skipped; failed",
    "code": "why it was skipped or failed, in a word",
    "reason": "why, in a sentence",
    "warnings": "what is wrong with the embeddings all the same",
    "source_format": "key of the format that was read",
    "source_container": "key of the container that was read",
    "original_sha256": "of the file as its author published it",
    "output": "the file that was written",
    "output_format": "key of its format",
    "output_container": "key of its container",
    "output_bytes": "its size",
    "names": "the embeddings in it",
    "base_model": "key of their base model, where it is clear",
    "fingerprint": "the same for all files with the same vectors",
    "duplicate_of": "the first source with the same vectors, where this is not it",
}
"""What a row says, in this order."""

_LINES = 512
_JSON = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True)
class Totals:
    """How many files there were, by what became of them, and how many results have the vectors of an earlier one."""

    converted: int = 0
    identical: int = 0
    skipped: int = 0
    failed: int = 0
    duplicates: int = 0


def check_report(report: str | os.PathLike[str]) -> None:
    """Raise CannotWrite where no report can be written: a report replaces an older one, and nothing else."""
    path = os.fspath(report)
    if is_url(path):
        raise CannotWrite(f"{path}: the report is written on this machine; name a path, and copy it there")
    if os.path.lexists(path) and not os.path.isfile(path):
        raise CannotWrite(f"{path}: is no file, so the report cannot replace it; name another")


def write_report(rows: Iterable[Row], report: str | os.PathLike[str] | None) -> Totals:
    """Write the report, where one is wanted, and count."""
    counts = {each.name: 0 for each in fields(Totals)}
    lines = _lines(rows, counts)
    if report is None:
        for _ in lines:
            pass
    else:
        write_atomic_in_pieces(report, lambda: _pieces(lines), overwrite=True)
    return Totals(**counts)


def told(rows: Iterable[Row]) -> Iterator[Outcome]:
    """What became of each source, as the command line tells it."""
    for path, parts in itertools.groupby(rows, key=lambda row: string_of(row["path"])):
        first = next(parts)
        kind, _, reason = _outcome(first)
        written = kind in ("converted", "identical")
        paths = tuple(string_of(row["place"]) for row in (first, *parts)) if written else ()
        warnings = tuple(first["warnings"].split("; ")) if first["warnings"] else ()
        found = Found(path, named=bool(first["named"]))
        yield Outcome(found, "done" if kind == "converted" else kind, paths, reason, warnings)


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(itertools.islice(lines, _LINES)):
        yield block.encode()


def _lines(rows: Iterable[Row], counts: dict[str, int]) -> Iterator[str]:
    for row in rows:
        values = _values(row)
        if values["part"] == 1:
            counts[values["outcome"]] += 1
        counts["duplicates"] += values["duplicate_of"] != ""
        yield f"{_JSON.encode(values)}\n"


def _values(row: Row) -> dict[str, Any]:
    outcome, code, reason = _outcome(row)
    written = outcome in ("converted", "identical")
    return {
        "source": _shown(row["path"]),
        "part": row["part"] or 1,
        "outcome": outcome,
        "code": code,
        "reason": reason,
        "warnings": row["warnings"],
        "source_format": row["format"],
        "source_container": row["container"],
        "original_sha256": row["sha256"],
        "output": _shown(row["place"]) if written else "",
        "output_format": row["made_format"] or "",
        "output_container": row["made_container"] or "",
        "output_bytes": row["size"] if written else 0,
        "names": _shown(row["names"] or ""),
        "base_model": row["base_model"] or "",
        "fingerprint": row["fingerprint"] or "",
        "duplicate_of": _shown(row["first"] or ""),
    }


def _outcome(row: Row) -> tuple[Any, str, str]:
    """What became of the row's source in the end, the code and the reason."""
    if row["state"] in ("skipped", "failed"):
        return row["state"], row["code"], row["reason"]
    if row["lost"] is not None:
        return "failed", "collision", f"{_shown(row['winner'])} becomes {_shown(row['lost'])} too; rename one of them"
    if row["state"] == "taken":
        kind = "failed" if row["named"] else "skipped"
        return kind, "already-there", "what it becomes is already there; overwriting replaces it"
    return "identical" if row["before"] else "converted", "", ""


def _shown(text: str | bytes) -> str:
    """Text for the report, without halves of characters: readers of JSON refuse them."""
    return text if isinstance(text, str) else string_of(text).encode(errors="backslashreplace").decode()
