"""Which files paths, folders, patterns and URLs stand for."""

from __future__ import annotations

import glob
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from . import remote
from .container import known_suffixes
from .folders import companion_names
from .places import is_url, name_of, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from .source import Readable

    Entries = Callable[[str], Iterable[os.DirEntry[str]]]
    """What is in a folder, looked up anew at each call."""

STANDARD_INPUT = "-"


class Found(NamedTuple):
    """A file to work on. `below` is its folder, seen from the folder or pattern that led to it."""

    path: str
    below: str = ""
    named: bool = True
    """Whether it was named itself, rather than found in a folder."""
    only: tuple[int, ...] = ()
    """The positions of those of its embeddings that are meant; empty for all."""
    size: int | None = None
    """In bytes, where a listing told it."""

    def source(self) -> Readable:
        """What to read it from; standard input is read to its end, and can be only once."""
        if self.path == STANDARD_INPUT:
            return sys.stdin.buffer.read()
        return self.path if self.size is None else remote.RemoteFile(self.path, self.size)


def find(arguments: Iterable[str]) -> Iterator[Found]:
    """The files that paths, folders, patterns and URLs stand for, each once, in the order of their names.

    Patterns are expanded here, since not every shell does it. In folders, hidden files and those that are read along
    with the one beside them are left out, and links to folders are not followed.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _found(argument, _by_name):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def stream(argument: str) -> Iterator[Found]:
    """The same for one argument in little memory: the files of a folder come as they lie, maybe some twice."""
    return _found(argument, _as_they_lie)


def searched(argument: str) -> str:
    """The folder that is looked through for an argument, the leading one of a pattern; else the file itself."""
    if is_url(argument):
        start, path, chained = taken_apart(argument)
        return start + _without_magic(path) + chained
    path = argument if os.path.lexists(argument) else os.path.expanduser(argument)
    return path if os.path.lexists(path) else _without_magic(path)


def _found(argument: str, entries: Entries) -> Iterator[Found]:
    if is_url(argument):
        return _remote(argument)
    path = argument if os.path.lexists(argument) else os.path.expanduser(argument)
    if os.path.isdir(path):
        return _in_folder(path, entries)
    if glob.has_magic(path) and not os.path.lexists(path):
        return _matching(path, entries)
    return iter((Found(path),))


def _in_folder(top: str, entries: Entries) -> Iterator[Found]:
    """Folder by folder, each before the folders in it; one that cannot be listed comes last, as if it were a file."""
    closed: list[OSError] = []
    levels = [iter(((top, ""),))]
    while levels:
        place = next(levels[-1], None)
        if place is None:
            levels.pop()
            continue
        try:
            yield from _files_in(*place, entries)
        except OSError as error:
            closed.append(error)
        else:
            levels.append(_folders_in(*place, entries))
    for error in closed:
        yield Found(error.filename)


def _files_in(folder: str, below: str, entries: Entries) -> Iterator[Found]:
    belonging = {companion for entry in entries(folder) for companion in companion_names(entry.name)}
    for entry in entries(folder):
        if not entry.name.startswith(".") and entry.name not in belonging and entry.is_file():
            yield Found(entry.path, below, named=False)


def _folders_in(folder: str, below: str, entries: Entries) -> Iterator[tuple[str, str]]:
    for entry in entries(folder):
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield entry.path, os.path.join(below, entry.name)


def _as_they_lie(folder: str) -> Generator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _by_name(folder: str) -> list[os.DirEntry[str]]:
    with closing(_as_they_lie(folder)) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _matching(pattern: str, entries: Entries) -> Iterator[Found]:
    """What a pattern matches, its folders too; the pattern itself, which is no file, where it matches nothing."""
    matches = glob.iglob(pattern, recursive=True)
    fixed = _without_magic(pattern)
    none = True
    for path in sorted(matches) if entries is _by_name else matches:
        none = False
        if not os.path.isdir(path):
            yield Found(path, os.path.relpath(os.path.dirname(path) or os.curdir, fixed or os.curdir))
        elif "**" not in pattern:
            yield from _in_folder(path, entries)
    if none:
        yield Found(pattern)


def _without_magic(pattern: str) -> str:
    """The leading folders of a pattern that stand for themselves."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern


def _remote(url: str) -> Iterator[Found]:
    """What a URL stands for. One that ends in a slash is a folder, one that ends as embeddings do is a file."""
    if glob.has_magic(taken_apart(url)[1]):
        none = True
        for each in remote.matching(url):
            none = False
            yield Found(each.url, each.below, size=each.size)
        if none:
            yield Found(url)
    elif not name_of(url) or (not _ends_like_embeddings(url) and remote.is_folder(url)):
        for folder in remote.files_below(url):
            belonging = {companion for each in folder for companion in companion_names(name_of(each.url))}
            for each in folder:
                if name_of(each.url) not in belonging:
                    yield Found(each.url, each.below, named=False, size=each.size)
    else:
        yield Found(url)


def _ends_like_embeddings(url: str) -> bool:
    return os.path.splitext(name_of(url))[1].lower() in known_suffixes()
