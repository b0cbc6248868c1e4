"""What goes into a run: the files that are still to be converted, and what the destination holds before."""

from __future__ import annotations

import functools
import itertools
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ...embeddings.errors import Unreadable
from ..finding import Found, stream
from ..places import is_url, joined, name_of, same_key
from ..remote import NotThere, files_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .journal import Journal, Taken

CHUNK = 256
"""Files in a chunk: some tenths of a second of work."""


def held(destination: str) -> Iterator[str]:
    """The places of all files in the destination."""
    if is_url(destination):
        with suppress(NotThere):
            yield from (each.url for each in files_below(joined(destination, "")))
        return
    pending = [destination]
    while pending:
        folder = pending.pop()
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    yield entry.path


def chunks(journal: Journal, destination: str, sources: Iterable[str | os.PathLike[str]]) -> Iterator[list[Taken]]:
    """The files that are still to be converted, in chunks."""
    ours = functools.partial(_is_ours, journal, joined(same_key(destination), ""), name_of(destination.rstrip("/")))
    listed = (
        (position, found)
        for position, source in enumerate(os.fspath(each) for each in sources)
        for found in _listed(source)
        if found.path == source or not ours(found.path)
    )
    chunk: list[Taken] = []
    while batch := list(itertools.islice(listed, CHUNK)):
        chunk += journal.take(batch)
        while len(chunk) >= CHUNK:
            yield chunk[:CHUNK]
            chunk = chunk[CHUNK:]
    if chunk:
        yield chunk


def _listed(source: str) -> Iterator[Found]:
    try:
        yield from stream(source)
    except Unreadable as error:
        yield Found(error.path or source)


def _is_ours(journal: Journal, folder: str, name: str, path: str) -> bool:
    """Whether a file that was found in the destination, the folder called `name`, came there in this run."""
    return name in path and same_key(path).startswith(folder) and not journal.was_there(path)
