"""Which files lie below a folder, and what they were like: what a scan compares with what the library knows."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

State: TypeAlias = "tuple[int, int, int, int]"
"""Size, time of the last change (ns), whether it is some model's preview, and whether it is settled: 1, except in the
index, where 0 says that it has to be read again."""

RECENT = 2_000_000_000
"""Nanoseconds; a file that changed as lately as that may change again without its time telling."""


def walk(
    root: str,
    suffixes: Collection[str],
    sorted_out: Callable[[list[str]], tuple[Collection[str], Collection[str]]],
    unlistable: list[str],
) -> dict[bytes, State]:
    """The state of each file below `root` that ends in one of `suffixes`, by path.

    Links to folders are followed, but no folder is listed twice; hidden files and folders are left out. `sorted_out`
    says of the names in a folder which are not read at all, and which are previews.
    """
    endings = frozenset(map(os.fsencode, suffixes))
    found: dict[bytes, State] = {}
    seen: set[tuple[int, int]] = set()
    pending = [os.fsencode(os.path.abspath(root))]
    while pending:
        folder = pending.pop()
        try:
            status = os.stat(folder)
            place = (status.st_dev, status.st_ino)
            if place in seen:
                continue
            seen.add(place)
            with os.scandir(folder) as entries:
                files = _files(entries, endings, pending)
        except OSError:
            unlistable.append(os.fsdecode(folder))
            continue
        left_out, previews = sorted_out([os.fsdecode(name) for name in files])
        for name in left_out:
            files.pop(os.fsencode(name), None)
        start = os.path.join(folder, b"")
        for name, status in files.items():
            found[start + name] = (status.st_size, status.st_mtime_ns, 0, 1)
        for name in previews:
            path = start + os.fsencode(name)
            if path in found:
                found[path] = (*found[path][:2], 1, 1)
    return found


def is_recent(state: State) -> bool:
    """Whether a file changed so lately that another change may leave its time as it is."""
    return time.time_ns() - state[1] < RECENT


def _files(
    entries: Iterator[os.DirEntry[bytes]], endings: frozenset[bytes], folders: list[bytes]
) -> dict[bytes, os.stat_result]:
    """The files with one of the endings, by name; the paths of folders go to `folders`."""
    files: dict[bytes, os.stat_result] = {}
    for entry in entries:
        name = entry.name
        if name.startswith(b"."):
            continue
        if entry.is_dir():
            folders.append(entry.path)
        elif os.path.splitext(name)[1].lower() in endings:
            try:
                status = entry.stat()
            except OSError:  # gone meanwhile, or a link to nothing
                continue
            if stat.S_ISREG(status.st_mode):
                files[name] = status
    return files
