"""Reading many files for the library: alone, or together with processes that take batches of them from the other end.

The processes are started anew, not forked, so that they share nothing with a host that runs threads and a GPU; each is
given paths as lines of JSON, and answers with the rows for the tables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from .library_records import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .library_records import Contents, Reader
    from .library_walk import State

Pending: TypeAlias = "Sequence[tuple[bytes, State]]"
"""Paths of files, and the state in which they were found."""

WORTH_A_PROCESS = 3000
"""Files; of fewer, most are read before another process has started."""
MOST_PROCESSES = 3
_BATCH = 100
_READY = b"ready\n"


def records_of(reader: Reader, pending: Pending) -> Generator[Record]:
    """The rows of files as they are read, in any order; to be closed when no more are wanted."""
    batches = deque(pending[start : start + _BATCH] for start in range(0, len(pending), _BATCH))
    finished: SimpleQueue[tuple[Pending, Sequence[Record] | None] | None] = SimpleQueue()
    count = min(MOST_PROCESSES, _cores() - 1) if reader.command and len(pending) >= WORTH_A_PROCESS else 0
    workers = [_Worker(reader.command, batches, finished) for _ in range(count)]
    try:
        while batches or count:
            if batches:
                yield from _read(reader.read, batches.popleft())
            if not batches:
                for worker in workers:
                    worker.release()
            while count and not (batches and finished.empty()):
                result = finished.get()
                if result is None:
                    count -= 1
                else:
                    batch, records = result
                    yield from _read(reader.read, batch) if records is None else records
    finally:
        batches.clear()
        for worker in workers:
            worker.stop()


def serve(read: Callable[[str], Contents]) -> None:
    """Read the files that standard input names, a batch a line, and write their rows to standard output."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what libraries print is no answer
        out.write(_READY)
        out.flush()
        for line in sys.stdin.buffer:
            batch = [(path.encode("latin-1"), state) for path, state in json.loads(line)]
            answer = [
                (record.file[0].decode("latin-1"), record.file[1:], record.facts, record.entries)
                for record in _read(read, batch)
            ]
            out.write(json.dumps(answer).encode() + b"\n" + _READY)
            out.flush()


def _read(read: Callable[[str], Contents], batch: Pending) -> Generator[Record]:
    for path, state in batch:
        yield record_of(path, state, read(os.fsdecode(path)))


class _Worker(threading.Thread):
    """Has a process read batches until there are none.

    `finished` gets each batch with its rows, or with None where the process failed, and None at the end.
    """

    def __init__(self, command: Sequence[str], batches: deque[Pending], finished: SimpleQueue[Any]) -> None:
        super().__init__(daemon=True)
        self._command = command
        self._batches = batches
        self._finished = finished
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = self._released = False
        self.start()

    def run(self) -> None:
        try:
            with self._opened() as process:
                while self._answered(process):
                    pass
        except OSError:  # it could not be started, or went away
            pass
        finally:
            self._finished.put(None)

    def _opened(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        if self._released:
            self._process.kill()
        return self._process

    def release(self) -> None:
        """End the process if it has no batch in hand, when there are none left; it may still be starting."""
        self._released = True
        if not self._busy and self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
        self.join()

    def _answered(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether the process was ready, there was a batch, and the process has read it."""
        assert process.stdin
        assert process.stdout
        if process.stdout.readline() != _READY:
            return False
        self._busy = True
        try:
            batch = self._batches.pop()
        except IndexError:
            return False
        records = None
        try:
            process.stdin.write(json.dumps([(path.decode("latin-1"), state) for path, state in batch]).encode() + b"\n")
            process.stdin.flush()
            records = [
                Record((path.encode("latin-1"), *file), facts, tuple(map(tuple, entries)))
                for path, file, facts, entries in json.loads(process.stdout.readline())
            ]
        except ValueError:
            return False
        finally:
            self._finished.put((batch, records))
            self._busy = False
        return True


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
