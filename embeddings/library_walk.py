"""Which files lie below a folder, and what they were like: what a scan compares with what the library knows."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

State: TypeAlias = "tuple[int, int, int, int]"
"""Size, time of the last change (ns), whether it is some model's preview, and whether it is settled: 1, except in the
index, where 0 says that it has to be read again."""

SortedOut: TypeAlias = "Callable[[list[str]], tuple[Collection[str], Collection[str]]]"
"""Of the names in a folder, those that need not be read, and those that are previews of a model."""

RECENT = 2_000_000_000
"""Nanoseconds; a file that changed as lately as that may change again without its time telling."""
_DOT = ord(".")


def walk(
    root: str,
    suffixes: Collection[str],
    sorted_out: SortedOut,
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
            if place not in seen:
                seen.add(place)
                names = _files(folder, endings, pending, found)
                _sort_out(folder, names, sorted_out, found)
        except OSError:
            unlistable.append(os.fsdecode(folder))
    return found


def is_recent(state: State) -> bool:
    """Whether a file changed so lately that another change may leave its time as it is."""
    return time.time_ns() - state[1] < RECENT


def _files(folder: bytes, endings: frozenset[bytes], folders: list[bytes], found: dict[bytes, State]) -> list[bytes]:
    """The names of the files in `folder` with one of the endings; what they are like goes to `found`.

    The paths of the folders in it go to `folders`.
    """
    names: list[bytes] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[0] == _DOT:
                continue
            try:
                if name[name.rfind(b".") :].lower() in endings and entry.is_file():
                    status = entry.stat()
                    found[entry.path] = (status.st_size, status.st_mtime_ns, 0, 1)
                    names.append(name)
                elif entry.is_dir():
                    folders.append(entry.path)
            except OSError:  # removed meanwhile, or a link to itself: nothing that the others have to suffer for
                continue
    return names


def _sort_out(folder: bytes, names: list[bytes], sorted_out: SortedOut, found: dict[bytes, State]) -> None:
    """Drop the files of `folder` that are not to be read, and mark the previews."""
    left_out, previews = sorted_out(os.fsdecode(b"\0".join(names)).split("\0"))
    for name in previews:
        path = os.path.join(folder, os.fsencode(name))
        size, modified_ns, _, settled = found[path]
        found[path] = (size, modified_ns, 1, settled)
    for name in left_out:
        found.pop(os.path.join(folder, os.fsencode(name)), None)
