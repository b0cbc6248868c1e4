"""Whether something was added to folders or taken out, at the price of one look at each of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FolderChanges:
    """Remembers when folders and all folders below them last changed; hosts look at the uppermost only."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def any(self) -> bool:
        """Whether one of the remembered folders is another than it was; a new subfolder changes the one it is in."""
        return any(_modified(folder) != modified for folder, modified in self._seen.items())

    def remember(self, roots: Iterable[str]) -> None:
        """Remember the state of `roots` as it is now."""
        named = list(roots)
        self._seen = {folder: _modified(folder) for folder in (*named, *folders_below(named))}


def folders_below(roots: Iterable[str]) -> Iterator[str]:
    """The folders and all below them, links followed but not in circles."""
    seen: set[tuple[int, int]] = set()
    waiting = list(roots)
    while waiting:
        folder = waiting.pop()
        try:
            state = os.stat(folder)
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as entries:
                waiting.extend(entry.path for entry in entries if entry.is_dir())
        except OSError:
            continue
        yield folder


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1
