"""The report: what became of every file, as JSON lines that have the same columns, all text or whole numbers.

In DuckDB, for one: SELECT outcome, count(*) FROM 'report.jsonl' WHERE part = 1 GROUP BY outcome.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from ...embeddings.errors import CannotWrite
from ..atomic import write_atomic_in_pieces
from ..batch import Outcome
from ..finding import Found
from ..places import is_url
from .facts import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .journal import Row

_LINES = 512
"""As many are written at once."""
_CONVERTED = '{"outcome":"converted","code":"","reason":"","duplicate_of":"",'
"""How nearly every line begins."""


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


def write_report(
    facts: Iterable[tuple[int, str, Row | None]],
    report: str | os.PathLike[str] | None,
    as_named: Callable[[str], str],
) -> Totals:
    """Write the report, where one is wanted, and count; `as_named` says what to call the place of a result."""
    counts = asdict(Totals())
    lines = _lines(facts, counts, as_named)
    if report is None:
        for _ in lines:
            pass
    else:
        write_atomic_in_pieces(report, lambda: _pieces(lines), overwrite=True)
    return Totals(**counts)


def told(rows: Iterable[Row], as_named: Callable[[str], str]) -> Iterator[Outcome]:
    """What became of each source, as the command line tells it."""
    for path, parts in itertools.groupby(rows, key=lambda row: row.path):
        first = next(parts)
        kind, _, reason = _outcome(first, as_named)
        written = kind in ("converted", "identical")
        paths = tuple(as_named(row.place) for row in (first, *parts)) if written else ()
        warnings = json.loads("{" + first.facts)["warnings"]
        found = Found(path, named=first.named)
        yield Outcome(
            found, "done" if kind == "converted" else kind, paths, reason, (*filter(None, warnings.split("; ")),)
        )


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(itertools.islice(lines, _LINES)):
        yield block.encode()


def _lines(
    rows: Iterable[tuple[int, str, Row | None]], counts: dict[str, int], as_named: Callable[[str], str]
) -> Iterator[str]:
    for part, facts, row in rows:
        outcome, code, reason = _outcome(row, as_named) if row is not None else ("converted", "", "")
        if part == 1:
            counts[outcome] += 1
        if row is None:
            yield f"{_CONVERTED}{facts}\n"
        else:
            counts["duplicates"] += row.first is not None
            settled = {"outcome": outcome, "code": code, "reason": reason, "duplicate_of": shown(row.first or "")}
            yield f"{json.dumps(settled, separators=(',', ':'))[:-1]},{facts}\n"


def _outcome(
    row: Row, as_named: Callable[[str], str]
) -> tuple[Literal["converted", "identical", "skipped", "failed"], str, str]:
    """What became of the row's source in the end, the code and the reason."""
    if row.state in ("skipped", "failed"):
        return "skipped" if row.state == "skipped" else "failed", row.code, row.reason
    if row.lost is not None:
        winner, place = shown(row.winner or ""), shown(as_named(row.lost))
        return "failed", "collision", f"{winner} becomes {place} too; rename one of them"
    if row.state == "taken":
        kind = "failed" if row.named else "skipped"
        return kind, "already-there", "what it becomes is already there; overwriting replaces it"
    return "identical" if row.before else "converted", "", ""
