"""What is known of a run so far, in a SQLite file: enough to go on after a crash, and to settle who gets which place.

It holds what the destination held before, every source that was taken up, and what workers said came of it. What was
written is brought to the disk now and then, and all of it only at the end; until then a power failure may lose files
that the journal has, so a run that goes on first looks which of them are there. One process has the journal open at a
time. It is removed when the run is finished.

Text that is no Unicode (file names may be any bytes) is kept as bytes.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ...embeddings.errors import CannotWrite
from ..places import same_key

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from ..finding import Found
    from .parcels import Made, Taken

NAME = ".loanword-journal.sqlite"
"""In the destination; what begins with a dot is never taken for a source."""

_SCHEMA = """
CREATE TABLE run (version INTEGER, settings TEXT, begun INTEGER);
CREATE TABLE there (place PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE source (
    id INTEGER PRIMARY KEY, position INTEGER, path UNIQUE, below, named INTEGER, size INTEGER
);
CREATE TABLE made (
    source INTEGER, part INTEGER, state TEXT, code TEXT, reason TEXT, key, place, size INTEGER, fingerprint TEXT,
    facts TEXT, PRIMARY KEY (source, part)
) WITHOUT ROWID;
"""
_VERSION = 2
_TAKE = "INSERT OR IGNORE INTO source VALUES (?, ?, ?, ?, ?, ?)"
_RECORD = "INSERT INTO made VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CLAIMS = """
CREATE TEMP TABLE claim AS
    SELECT made.source, made.part, made.place, first_value(source.id) OVER one AS owner
    FROM made JOIN source ON source.id = made.source
    WHERE made.key IN (SELECT key FROM made WHERE key <> '' GROUP BY key HAVING min(source) <> max(source))
    WINDOW one AS (PARTITION BY made.key ORDER BY source.position, source.path)
"""
_FIRST = """
CREATE TEMP TABLE first AS
    SELECT made.source, made.part, first_value(source.path) OVER same AS path, row_number() OVER same AS number
    FROM made JOIN source ON source.id = made.source
    WHERE made.fingerprint IN (
        SELECT fingerprint FROM made WHERE fingerprint <> '' GROUP BY fingerprint HAVING count(*) > 1)
    WINDOW same AS (PARTITION BY made.fingerprint ORDER BY source.position, source.path, made.part)
"""
_RANKED = "CREATE TEMP TABLE ranked AS SELECT id FROM source ORDER BY position, path"
"""In their order, so that the rows, which are long, need not be sorted."""
_ROWS = """
SELECT source.path, source.named, made.state, made.code, made.reason, made.part, made.place, made.facts,
    lost.place, winner.path, first.path,
    made.state = 'same' AND NOT EXISTS (
        SELECT 1 FROM made LEFT JOIN there ON there.place = made.key
        WHERE made.source = ranked.id AND there.place IS NULL)
FROM ranked
CROSS JOIN made ON made.source = ranked.id
LEFT JOIN lost ON lost.source = ranked.id
LEFT JOIN source AS winner ON winner.id = lost.owner
LEFT JOIN first ON first.source = ranked.id AND first.part = made.part AND first.number > 1
LEFT JOIN source ON source.id = {source}
ORDER BY ranked.rowid, made.part
"""
_EVERY = "ranked.id"
_UNUSUAL = "CASE WHEN made.state <> 'written' OR lost.source OR first.source THEN ranked.id END"
"""All but what was simply converted: of that, which is nearly everything, there is nothing to say but its facts."""


class Row(NamedTuple):
    """A file that a source became, or that it became none, and all that decides what is said of it."""

    path: str
    named: bool
    state: str
    code: str
    reason: str
    part: int
    place: str
    facts: str
    lost: str | None
    """A place that it wanted and another source has."""
    winner: str | None
    """That other source."""
    first: str | None
    """An earlier source with the same vectors."""
    before: bool
    """Whether all of it was there before the run, as it is now."""


class Contested(NamedTuple):
    """A source of which another wants a place, too."""

    taken: Taken
    loses: bool
    """Whether another has a place that it wants, and so nothing of it is kept."""


class Journal:
    """The journal of one run into one destination; close it."""

    def __init__(self, path: str, settings: str, *, resume: bool) -> None:
        """Open the journal that an interrupted run left, or begin one; raises CannotWrite."""
        self.path = path
        self.taken = 0
        try:
            os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        except OSError as error:
            raise CannotWrite(f"{path}: cannot be made ({error.strerror}); write elsewhere") from None
        with self.refusals():
            try:
                self._open(settings, resume=resume)
            except sqlite3.DatabaseError as error:
                if resume or isinstance(error, sqlite3.OperationalError):
                    raise
                self._remove()  # it is no journal
                self._open(settings, resume=False)

    @contextmanager
    def refusals(self) -> Generator[None]:
        """Says as CannotWrite what SQLite refuses while the block runs."""
        try:
            yield
        except sqlite3.OperationalError as error:
            advice = "another conversion writes there now" if "locked" in str(error) else "write elsewhere"
            raise CannotWrite(f"{self.path}: cannot be used ({error}); {advice}") from None
        except sqlite3.DatabaseError as error:
            raise CannotWrite(f"{self.path}: is damaged ({error}); remove it to begin anew") from None

    def _open(self, settings: str, *, resume: bool) -> None:
        self._database = sqlite3.connect(self.path, timeout=1, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(settings, resume=resume)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, settings: str, *, resume: bool) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL", "cache_size = -8192"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("BEGIN IMMEDIATE")
        if not resume:
            for table in ("run", "there", "source", "made"):
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
        if not self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone():
            for statement in _SCHEMA.split(";"):
                self._database.execute(statement)
            self._database.execute("INSERT INTO run VALUES (?, ?, 0)", (_VERSION, settings))
        version, known, self.begun = self._database.execute("SELECT version, settings, begun FROM run").fetchone()
        if (version, known) != (_VERSION, settings):
            raise CannotWrite(
                f"{self.path}: is of an interrupted conversion with other settings; finish that, or begin anew"
            )
        self._database.execute("DELETE FROM made WHERE state = 'failed'")
        self._database.execute("DELETE FROM source WHERE id NOT IN (SELECT source FROM made)")
        (self._last,) = self._database.execute("SELECT coalesce(max(id), 0) FROM source").fetchone()
        self._database.execute("COMMIT")

    def begin(self, places: Iterable[str]) -> None:
        """Remember what the destination holds before anything is written to it."""
        self._database.execute("BEGIN")
        self._database.execute("DELETE FROM there")
        self._database.executemany(
            "INSERT OR IGNORE INTO there VALUES (?)", ((_text(same_key(place)),) for place in places)
        )
        self._database.execute("UPDATE run SET begun = 1")
        self._database.execute("COMMIT")

    def forget_unless(self, is_there: Callable[[str, int], bool]) -> None:
        """Have sources converted again of which something is not there, asked by place and size, as it was recorded."""
        lost = [
            (number,)
            for number, place, size in self._database.execute(
                "SELECT source, place, size FROM made WHERE state = 'written'"
            )
            if not is_there(_told(place), size)
        ]
        self._database.execute("BEGIN")
        self._database.executemany("DELETE FROM made WHERE source = ?", lost)
        self._database.executemany("DELETE FROM source WHERE id = ?", lost)
        self._database.execute("COMMIT")

    def places(self) -> Iterator[str]:
        """Where something was written."""
        rows = self._database.execute("SELECT place FROM made WHERE state = 'written'")
        return (_told(place) for (place,) in rows)

    @property
    def fresh(self) -> bool:
        """Whether the destination held nothing before the run."""
        return not self._database.execute("SELECT 1 FROM there LIMIT 1").fetchone()

    def was_there(self, place: str) -> bool:
        """Whether the destination held this before the run."""
        return bool(self._database.execute("SELECT 1 FROM there WHERE place = ?", (_text(same_key(place)),)).fetchone())

    def take(self, sources: Iterable[tuple[int, Found]]) -> list[Taken]:
        """Those of the sources, each with its position, that were not taken up yet; from now on they are."""
        numbered = enumerate(sources, start=self._last + 1)
        listed = [(number, position, found) for number, (position, found) in numbered]
        self._begin()
        inserted = self._database.executemany(
            _TAKE,
            [
                (number, position, _text(found.path), _text(found.below), found.named, found.size)
                for number, position, found in listed
            ],
        )
        if inserted.rowcount < len(listed):
            after = self._database.execute("SELECT id FROM source WHERE id > ?", (self._last,))
            new = {number for (number,) in after}
            listed = [each for each in listed if each[0] in new]
        self._last = listed[-1][0] if listed else self._last
        self.taken += len(listed)
        return [(number, found.path, found.below, found.named, found.size) for number, _, found in listed]

    def record(self, made: Iterable[Made]) -> None:
        """Write down what came of sources, for good."""
        self._begin()
        self._insert(made)
        self._database.execute("COMMIT")

    def correct(self, made: Sequence[Made]) -> None:
        """Write down what came of a source after all."""
        self._begin()
        self._database.execute("DELETE FROM made WHERE source = ?", made[0][:1])
        self._insert(made)
        self._database.execute("COMMIT")

    def _insert(self, made: Iterable[Made]) -> None:
        self._database.executemany(_RECORD, map(_storable, made))

    def _begin(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN")

    def contested(self) -> Iterator[Contested]:
        """The sources that want the same places, first those that get nothing."""
        for table in ("claim", "lost"):
            self._database.execute(f"DROP TABLE IF EXISTS temp.{table}")
        self._database.execute(_CLAIMS)
        self._database.execute(
            "CREATE TEMP TABLE lost AS"
            " SELECT source, place, owner, min(part) FROM claim WHERE owner <> source GROUP BY source"
        )
        self._database.execute("CREATE UNIQUE INDEX temp.lost_source ON lost (source)")
        rows = self._database.execute(
            "SELECT id, path, below, named, size, id IN (SELECT source FROM lost) AS loses FROM source"
            " WHERE id IN (SELECT source FROM claim) ORDER BY loses DESC, position, path"
        )
        for number, path, below, named, size, loses in rows:
            yield Contested((number, _told(path), _told(below), bool(named), size), bool(loses))

    def rows(self) -> Iterator[Row]:
        """What came of every source, in order, a row for each file it became; `contested` has to be asked before."""
        return (Row._make(map(_told, row)) for row in self._ranked(_EVERY))

    def facts(self) -> Iterator[tuple[int, str, Row | None]]:
        """The same for the report: part and facts, and the row unless the file was simply converted."""
        for row in self._ranked(_UNUSUAL):
            yield row[5], row[7], None if row[0] is None else Row._make(map(_told, row))

    def _ranked(self, source: str) -> sqlite3.Cursor:
        for table in ("first", "ranked"):
            self._database.execute(f"DROP TABLE IF EXISTS temp.{table}")
        self._database.execute(_RANKED)
        self._database.execute(_FIRST)
        self._database.execute("CREATE UNIQUE INDEX temp.first_made ON first (source, part)")
        return self._database.execute(_ROWS.format(source=source))

    def close(self, *, finished: bool) -> None:
        """Close the journal, and remove it where the run is finished."""
        self._database.close()
        if finished:
            self._remove()

    def _remove(self) -> None:
        for ending in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.unlink(self.path + ending)


def _storable(made: Made) -> tuple[Any, ...]:
    *before, key, place, size, fingerprint, facts = made
    if key.isascii() and place.isascii():
        return made
    return (*before, _text(key), _text(place), size, fingerprint, facts)


def _text(value: str) -> str | bytes:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")
    return value


def _told(value: Any) -> Any:
    """What SQLite tells, text that was kept as bytes made text again."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value
