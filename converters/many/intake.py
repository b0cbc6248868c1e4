"""What goes into a run: the files that are still to be converted, and what the destination holds before."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from ...embeddings.errors import CannotWrite, Unreadable
from ..finding import Found, searched, stream
from ..places import is_url, joined, name_of, same_key
from ..remote import NotThere, files_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .journal import Journal
    from .parcels import Taken

OWN = ".loanword-"
"""How the names of files begin that are loanword's own affair."""

CHUNK = 256
"""Files in a chunk: some tenths of a second of work."""


def held(destination: str) -> Iterator[str]:
    """The places of all files in the destination, but for the journal and what killed processes left."""
    if is_url(destination):
        with suppress(NotThere):
            yield from (each.url for folder in files_below(destination) for each in folder)
        return
    pending = [destination]
    while pending:
        folder = pending.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif not entry.name.startswith(OWN):
                    yield entry.path


def named(sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterable[str]:
    """The sources as they were named: a list, or for an iterator another one."""
    if isinstance(sources, (str, os.PathLike)):
        return [os.fspath(sources)]
    names = (os.fspath(each) for each in sources)
    return [*names] if isinstance(sources, Collection) else names


def kept_apart(sources: Iterable[str], destination: str) -> Iterator[str]:
    """The sources, for overwriting: raises CannotWrite for one that lies where an original could be overwritten.

    Of a list all are looked at before anything is written, of an iterator each when it is its turn.
    """
    if isinstance(sources, Collection):
        for source in sources:
            _check_apart(source, destination)
        return iter(sources)
    return (_check_apart(source, destination) for source in sources)


def _check_apart(source: str, destination: str) -> str:
    if _lies_in(searched(source), destination):
        raise CannotWrite(f"{source}: lies where the results go, and could be overwritten; write elsewhere")
    return source


def chunks(journal: Journal, destination: str, sources: Iterable[str]) -> Iterator[list[Taken]]:
    """The files that are still to be converted, in chunks."""
    listed = (
        (position, found)
        for position, source in enumerate(sources)
        for found in _found_by(journal, destination, source)
    )
    chunk: list[Taken] = []
    while batch := list(itertools.islice(listed, CHUNK)):
        chunk += journal.take(batch)
        while len(chunk) >= CHUNK:
            yield chunk[:CHUNK]
            chunk = chunk[CHUNK:]
    if chunk:
        yield chunk


def _found_by(journal: Journal, destination: str, source: str) -> Iterator[Found]:
    """The files that a source stands for, without results: those of this run, and those of any where they lie apart."""
    apart = _lies_in(destination, searched(source)) and not _lies_in(searched(source), destination)
    name, folder = name_of(destination.rstrip("/" + os.sep)), joined(same_key(destination), "")
    try:
        for found in stream(source):
            inside = name in found.path and found.path != source and same_key(found.path).startswith(folder)
            if not inside or (not apart and journal.was_there(found.path)):
                yield found
    except Unreadable as error:
        yield Found(error.path or source)


def _lies_in(place: str, folder: str) -> bool:
    """Whether a place is a folder or lies below it."""
    return joined(same_key(place), "").startswith(joined(same_key(folder), ""))
