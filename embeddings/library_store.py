"""The SQLite file of the library: opened, shared, and replaced when it is damaged.

No write-ahead log: it needs memory that all processes share, which network file systems do not have. Transactions are
short instead. Nothing is ever waited for on the disk: what a power cut damages is read from the files again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[sqlite3.Connection], "Result"]

Result = TypeVar("Result")

MEMORY = ":memory:"
PATIENCE = 20.0
"""Seconds to wait for another process; its transactions take some hundredths."""
_APPLICATION = 0x6C6F616E
"""Marks the file as loanword's ("loan")."""
_SCHEMA_VERSION = 4
_DAMAGED = (sqlite3.DatabaseError, ValueError, TypeError, LookupError)
"""What is raised where text, numbers and tables are not what they were when they were written."""
_SCHEMA = (
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
        preview INTEGER NOT NULL, settled INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
        format TEXT, container TEXT, pickled INTEGER NOT NULL, sha256 TEXT, file_name TEXT NOT NULL)""",
    # All that a scan compares, so that it need not look at the table; `put` sees to it that each path is there once.
    "CREATE INDEX states ON files (path, size, modified_ns, preview, settled)",
    """CREATE TABLE entries (
        file INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, base_model TEXT, tokens INTEGER,
        norm REAL, fingerprint TEXT, health TEXT NOT NULL, searched TEXT NOT NULL,
        PRIMARY KEY (file, position)) WITHOUT ROWID""",
    "CREATE TABLE facts (file INTEGER PRIMARY KEY, embeddings TEXT NOT NULL)",
    """CREATE TABLE remarks (
        path BLOB NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL, searched TEXT NOT NULL,
        PRIMARY KEY (path, position)) WITHOUT ROWID""",
    """CREATE TABLE directions (
        fingerprint TEXT NOT NULL, encoder TEXT NOT NULL, unit BLOB NOT NULL, UNIQUE (fingerprint, encoder))""",
    "CREATE TABLE state (revision TEXT NOT NULL, changes INTEGER NOT NULL)",
)


class Store:
    """A connection that several threads use in turn. Each `run` is one transaction.

    Where the file is damaged it is set aside and a new one begun; where it cannot be written, or others never let go
    of it, the index is kept in memory. Both count up `generation`: what was stored before is gone.
    """

    def __init__(self, path: str, revision: str) -> None:
        self.path = path
        self.generation = 0
        self._revision = revision
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def run(self, action: Action[Result], *, writing: bool = False) -> Result:
        """What `action` makes of the connection; it may be called again, so it changes nothing else."""
        with self._lock:
            for repair in (self._open_again, self._go_on_in_memory):
                try:
                    return self._transaction(action, writing=writing)
                except (*_DAMAGED, sqlite3.OperationalError) as error:
                    if self.path == MEMORY:
                        raise
                    repair(error)
            return self._transaction(action, writing=writing)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _transaction(self, action: Action[Result], *, writing: bool) -> Result:
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        try:
            result = action(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> sqlite3.Connection:
        if self.path != MEMORY:
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(os.path.abspath(self.path)), mode=0o700, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=TRUNCATE", "synchronous=OFF", "temp_store=MEMORY", "cache_size=-32768"):
                connection.execute(f"PRAGMA {pragma}").close()
            if not self._is_current(connection):
                self._begin_anew(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if (application, version) != (_APPLICATION, _SCHEMA_VERSION):
            return False
        return connection.execute("SELECT revision FROM state").fetchall() == [(self._revision,)]

    def _begin_anew(self, connection: sqlite3.Connection) -> None:
        """Make the tables, in place of those of another version; a database of another program is left alone."""
        connection.execute("BEGIN IMMEDIATE")
        if not self._is_current(connection):  # another process was faster
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if tables and connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
                raise sqlite3.OperationalError("a database of another program")
            for table in tables:
                connection.execute(f'DROP TABLE "{table}"')
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO state VALUES (?, 0)", (self._revision,))
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _open_again(self, error: Exception) -> None:
        """Have the file opened again at the next use: a new one where it is damaged, or gone."""
        if "locked" in str(error) or "another program" in str(error):
            self._go_on_in_memory(error)
            return
        self.close()
        self.generation += 1
        if _is_damage(error):
            with contextlib.suppress(OSError):
                os.replace(self.path, f"{self.path}.damaged")  # it may be anything, so it is not deleted
                os.unlink(f"{self.path}-journal")

    def _go_on_in_memory(self, _: Exception) -> None:
        self.close()
        self.generation += 1
        self.path = MEMORY


def _is_damage(error: Exception) -> bool:
    """Whether what was read is not what was written, rather than that reading or writing failed."""
    if type(error) is sqlite3.OperationalError:
        return any(sign in str(error) for sign in ("no such", "malformed", "decode"))
    return True
