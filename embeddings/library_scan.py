"""Bringing the library up to date: what is in the folders is compared with what is known, and what differs is read."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .library_reading import records_of
from .library_records import forget, known_states, put
from .library_walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .library_reading import Pending
    from .library_records import Reader, Record
    from .library_store import Store
    from .library_walk import State

_AT_ONCE = 250
"""Files that are read before what was found is stored."""


@dataclass(frozen=True)
class Scan:
    """What changed since the last scan: paths, and the number of files that are as they were."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    unlistable: tuple[str, ...] = ()
    """Folders that are not there, or cannot be listed."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True)
class Scanner:
    """Scans folders, and tells how far it is; what was stored before the index had to be replaced is read again."""

    store: Store
    reader: Reader
    progress: Callable[[int, int], None] | None
    cancelled: Callable[[], bool] | None

    def scan(self, folders: Sequence[str]) -> Scan:
        """Bring what is known of all files below `folders` up to date."""
        while True:
            known = self.store.run(lambda connection: known_states(connection, folders))
            generation = self.store.generation
            scan = self._compared(folders, known)
            if generation == self.store.generation:
                return scan

    def _compared(self, folders: Sequence[str], known: dict[bytes, State]) -> Scan:
        unlistable: list[str] = []
        found: dict[bytes, State] = {}
        for folder in folders:
            found |= walk(folder, self.reader.suffixes, self.reader.sorted_out, unlistable)
        pending = [(path, state) for path, state in found.items() if known.get(path) != state]
        removed = [path for path in known if path not in found]
        if removed:
            self.store.run(lambda connection: forget(connection, removed), writing=True)
        read = self._read(pending) if pending else []
        changed = {path for path, state in pending if path in known and known[path][:3] != state[:3]}
        return Scan(
            added=tuple(os.fsdecode(path) for path in read if path not in known),
            changed=tuple(os.fsdecode(path) for path in read if path in changed),
            removed=tuple(map(os.fsdecode, removed)),
            unchanged=len(known) - len(removed) - len(changed),
            unlistable=tuple(unlistable),
        )

    def _read(self, pending: Pending) -> list[bytes]:
        """Read files and store what is in them; gives the paths of those that were, before it was cancelled."""
        read: list[bytes] = []
        records: list[Record] = []
        with closing(records_of(self.reader, pending)) as arriving:
            for record in arriving:
                records.append(record)
                read.append(record.file[0])
                if self.progress:
                    self.progress(len(read), len(pending))
                if len(records) == _AT_ONCE:
                    self.store.run(partial(put, records=records), writing=True)
                    records = []
                if self.cancelled and self.cancelled():
                    break
        if records:
            self.store.run(partial(put, records=records), writing=True)
        return read
