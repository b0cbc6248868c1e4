"""Many files at once: which there are below what was named, where each result goes, and what became of it.

A file that was named has to be converted. One that was only found in a folder may be something else: then it is
skipped, and only a damaged or unsafe one counts as failed.
"""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..embeddings.errors import FileError, LoanwordError, NotAnEmbedding, UnrecognisedFormat, one_line
from .atomic import flush
from .folders import companion_names
from .writing import keep_originals, plan, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .source import Readable
    from .writing import Form

STANDARD_INPUT = "-"
_SOMETHING_ELSE = (NotAnEmbedding, UnrecognisedFormat)


@dataclass(frozen=True)
class Found:
    """A file to work on. `below` is its folder, seen from the folder or pattern that led to it."""

    path: str
    below: str = ""
    named: bool = True
    """Whether it was named itself, rather than found in a folder."""

    def source(self) -> Readable:
        """What to read it from; standard input is read to its end, and can be only once."""
        return sys.stdin.buffer.read() if self.path == STANDARD_INPUT else self.path


@dataclass(frozen=True)
class Outcome:
    """What became of a file: the paths of what was written, or the reason why nothing was."""

    found: Found
    kind: Literal["done", "skipped", "failed"]
    paths: tuple[str, ...] = ()
    reason: str = ""
    """One line, without the file's own path."""
    warnings: tuple[str, ...] = ()


def find(arguments: Iterable[str]) -> Iterator[Found]:
    """The files that paths, folders and patterns stand for, each once, in the order of their names.

    Patterns are expanded here, since not every shell does it. In folders, hidden files and those that are read along
    with the one beside them are left out, and links to folders are not followed.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _found(argument):
            if found.path not in seen:
                seen.add(found.path)
                yield found


@dataclass
class Conversion:
    """A run over many files; knows what it wrote, so that no two files of one run end up in the same place."""

    destination: str | None
    """A folder, or a file where one is converted; None puts results beside their originals."""
    form: Form
    name: str | None = None
    encoder: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    written: list[str] = field(default_factory=list[str])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    """What became of which file, by place."""

    def convert(self, found: Found) -> Outcome:
        """Convert one file; raises what reading and rendering it raise."""
        folder, files = plan(found.source(), self._place_of(found), self.form, name=self.name, encoder=self.encoder)
        paths = tuple(os.path.join(folder, file.name) for file in files)
        if problem := self._taken(found, paths):
            return problem
        if self.overwrite:
            keep_originals(files, folder)
        if not self.dry_run:
            self.written += put(files, folder, overwrite=self.overwrite, durable=False)
        warnings = tuple(dict.fromkeys(each for file in files for one in file.embeddings for each in one.warnings))
        return Outcome(found, "done", paths, warnings=warnings)

    def finish(self) -> None:
        """Have everything that was written brought to the disk."""
        if self.written:
            flush(self.written)

    def _place_of(self, found: Found) -> str:
        """Where the result goes: the destination, with the folders below the one that was named."""
        if self.destination is None:
            return os.path.join(os.path.dirname(found.path), "")
        return os.path.join(self.destination, found.below, "") if found.below else self.destination

    def _taken(self, found: Found, paths: tuple[str, ...]) -> Outcome | None:
        """Why `found` cannot have its places, if it cannot; from now on they are its own."""
        for path in paths:
            if (other := self.origins.setdefault(_key(path), found.path)) != found.path:
                return Outcome(found, "failed", reason=f"{other} becomes {path} too; rename one of them")
        if not self.overwrite and any(map(os.path.lexists, paths)):
            kind = "failed" if found.named else "skipped"
            return Outcome(found, kind, reason="what it becomes is already there; --overwrite replaces it")
        return None


def outcomes(files: Iterable[Found], work: Callable[[Found], Outcome]) -> Iterator[Outcome]:
    """What became of each file; what loanword refuses is an outcome too."""
    for found in files:
        try:
            yield work(found)
        except LoanwordError as error:
            yield _refused(found, error)


def _refused(found: Found, error: LoanwordError) -> Outcome:
    skipped = isinstance(error, _SOMETHING_ELSE) and not found.named
    reason = str(error)
    if isinstance(error, FileError) and error.path:
        reason = reason.removeprefix(f"{one_line(error.path)}: ")
    return Outcome(found, "skipped" if skipped else "failed", reason=reason)


def _found(argument: str) -> Iterator[Found]:
    path = argument if os.path.lexists(argument) else os.path.expanduser(argument)
    if os.path.isdir(path):
        yield from _in_folder(path)
    elif glob.has_magic(path) and not os.path.lexists(path):
        yield from _matching(path)
    else:
        yield Found(path)


def _in_folder(top: str) -> Iterator[Found]:
    closed: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=closed.append):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        below = os.path.relpath(folder, top)
        belonging = {companion for name in names for companion in companion_names(name)}
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith(".") and name not in belonging and os.path.isfile(path):
                yield Found(path, "" if below == os.curdir else below, named=False)
    for error in closed:
        yield Found(error.filename)


def _matching(pattern: str) -> Iterator[Found]:
    """What a pattern matches, its folders too; the pattern itself, which is no file, where it matches nothing."""
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        yield Found(pattern)
    fixed = _without_magic(pattern)
    for path in matches:
        if not os.path.isdir(path):
            yield Found(path, os.path.relpath(os.path.dirname(path) or os.curdir, fixed or os.curdir))
        elif "**" not in pattern:
            yield from _in_folder(path)


def _without_magic(pattern: str) -> str:
    """The leading folders of a pattern that stand for themselves."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern


def _key(path: str) -> str:
    """The same for every spelling of a place, upper and lower case included where the system makes no difference."""
    return os.path.normcase(os.path.abspath(path))
