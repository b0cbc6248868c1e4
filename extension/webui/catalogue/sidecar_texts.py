"""Having searches look into what users write about embeddings: the library is told of it when it is scanned.

Other extensions change the same files, which is seen at the next scan; what the tab changes is known at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....embeddings.library_remarks import Remarks
from ....embeddings.library_walk import walk
from .sidecars import SUFFIXES, read_sidecar, sidecar_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....embeddings.library import Library

_AT_ONCE = 250
_ENDINGS = frozenset(suffix[suffix.rindex(".") :] for suffix in SUFFIXES)


def remember_all(library: Library, folders: Sequence[str]) -> None:
    """Bring what the library remembers of sidecars below `folders` up to date; only those that changed are read."""
    known, stems = library.remarks(folders), _stems_below(folders)
    there = {path: _state(path) for path in library.paths(folders) if os.path.splitext(path)[0] in stems}
    changed = [path for path, state in there.items() if known.get(path) != state]
    for start in range(0, len(changed), _AT_ONCE):
        library.remember([_remarks(library, path, there[path]) for path in changed[start : start + _AT_ONCE]])
    if gone := [Remarks(path, "", ()) for path in known if path not in there]:
        library.remember(gone)


def remember(library: Library, path: str) -> None:
    """The same for the sidecar of one file."""
    library.remember([_remarks(library, path, _state(path))])


def _remarks(library: Library, path: str, state: str) -> Remarks:
    file = library.file(path)
    names = [sidecar_name(file, position) for position in range(len(file.embeddings))] if file else []
    written = [read_sidecar(path, name) for name in names or [None]]
    return Remarks(path, state, ["\n".join((each.description, each.notes, *each.tags)) for each in written])


def _stems_below(folders: Sequence[str]) -> frozenset[str]:
    """What the paths of the files that have sidecars begin with."""
    paths = {os.fsdecode(path) for folder in folders for path in walk(folder, _ENDINGS, lambda _: ((), ()), [])}
    return frozenset(path.removesuffix(suffix) for path in paths for suffix in SUFFIXES if path.endswith(suffix))


def _state(path: str) -> str:
    """Changes when the file or one of its sidecars does."""
    stem = os.path.splitext(path)[0]
    return repr([*_times(path, *(stem + suffix for suffix in SUFFIXES))])


def _times(*paths: str) -> Iterator[tuple[int, int] | None]:
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            yield None
        else:
            yield status.st_size, status.st_mtime_ns
