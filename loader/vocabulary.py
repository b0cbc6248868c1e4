"""A folder of embeddings as a pipeline's vocabulary: listed at once, read when a prompt names them."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..converters.files import read_all
from ..converters.indexing import open_library
from ..embeddings.errors import LoanwordError, Unreadable
from ..embeddings.names import is_generic
from ..embeddings.prompts import fold
from . import tokenizers
from .encoder_slots import slots_of
from .placing import place, remove
from .routing import route
from .sources import of_embedding
from .versions import check_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from .encoder_slots import Slot
    from .triggers import Word

Pipeline: TypeAlias = Any

SUFFIXES = (".safetensors", ".pt", ".bin", ".pti", ".png", ".webp", ".jxl", ".avif")
"""Suffixes of embeddings; of files that are otherwise called the same, the earlier."""
PREVIEWS = (".preview.", ".example.")
State: TypeAlias = "tuple[int, int]"


@dataclass(eq=False, repr=False)
class UnreadFile:
    """A file of the folder, under the name that prompts call it by."""

    name: str
    path: str
    aliases: tuple[str, ...]
    folder: AttachedFolder
    failed: tuple[State | None, str] | None = None
    """What the file was like when it could not be loaded, and why it could not."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be loaded, as far as that was tried."""
        return self.failed[1] if self.failed else None

    def load(self) -> None:
        """Load the file into all encoders, or warn why it cannot be; what failed once is not read again in vain."""
        state = _state(self.path)
        if self.failed is None or self.failed[0] != state:
            try:
                self.folder.load(self, state)
            except LoanwordError as error:
                self.failed = (state, str(error))
            else:
                self.failed = None
                return
        warnings.warn(f"{self.failed[1]} (so {self.name!r} is read as plain words)", stacklevel=2)


@dataclass(eq=False, repr=False)
class AttachedFolder:
    """The names in a folder, as the tokenizers of a pipeline know them. As a context manager, it is detached after."""

    path: str
    slots: tuple[Slot, ...]
    allow_partial: bool
    own_names: bool = False
    """Whether prompts may also announce embeddings by the names inside their files, which the library knows."""
    files: dict[str, UnreadFile] = field(default_factory=dict[str, UnreadFile])
    """By path."""
    folders: dict[str, int] = field(default_factory=dict[str, int])
    """This folder and those in it, and when each last changed."""
    read: dict[str, State | None] = field(default_factory=dict[str, "State | None"])
    """The paths of files that are loaded, and what they were like."""

    @property
    def names(self) -> tuple[str, ...]:
        """What prompts can call the files by."""
        return tuple(each.name for each in self.files.values())

    def refresh(self) -> None:
        """Notice files that came or went, from when their folders last changed."""
        if not self.folders or any(_changed(path) != when for path, when in self.folders.items()):
            self._list()

    def renew(self, word: Word) -> bool:
        """Load a word of this folder again if its file has changed; whether it has."""
        if word.path not in self.read or self.read[word.path] == _state(word.path):
            return False
        self._forget(word.path)
        if word.path in self.files:
            self.files[word.path].load()
        return True

    def load(self, file: UnreadFile, state: State | None) -> None:
        """Load a file into all encoders; raises what reading and loading raise."""
        embedding = read_all(file.path, name=file.name)[0]
        place(self.slots, [route(of_embedding(embedding), self.slots, allow_partial=self.allow_partial, chosen=False)])
        self.read[file.path] = state

    def detach(self) -> None:
        """Let the pipeline forget the folder and all that was loaded from it."""
        for path in list(self.files):
            self._drop(path)
        for tokenizer in self.tokenizers():
            vocabulary = tokenizers.vocabulary_of(tokenizer)
            vocabulary.folders[:] = [folder for folder in vocabulary.folders if folder is not self]
            tokenizers.tidy(tokenizer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        return f"AttachedFolder({self.path!r}, {len(self.files)} names, {len(self.read)} loaded)"

    def _list(self) -> None:
        folders: dict[str, int] = {}
        found = _embeddings_in(self.path, folders)
        if self.own_names:
            found = _with_own_names(self.path, found)
        self.folders = folders
        for path in [path for path, file in self.files.items() if found.get(path) != (file.name, file.aliases)]:
            self._drop(path)
        indices = [tokenizers.vocabulary_of(tokenizer).names for tokenizer in self.tokenizers()]
        for path, (name, aliases) in found.items():
            if path not in self.files:
                file = self.files[path] = UnreadFile(name, path, aliases, self)
                for index in indices:
                    index.add(name, file, aliases, first=False)

    def _drop(self, path: str) -> None:
        file = self.files.pop(path)
        self._forget(path)
        for tokenizer in self.tokenizers():
            if tokenizers.knows_triggers(tokenizer):
                tokenizers.vocabulary_of(tokenizer).names.discard(file.name, file, file.aliases)

    def _forget(self, path: str) -> None:
        """Unload what was loaded from `path`."""
        if self.read.pop(path, _NEVER) is _NEVER:
            return
        for tokenizer in self.tokenizers():
            words = [each.word for each in tokenizers.triggers_of(tokenizer) if each.word.path == path]
            remove(self.slots, [word.name for word in words])

    def tokenizers(self) -> list[Any]:
        return list({id(each): each for slot in self.slots for each in slot.tokenizers}.values())


def attach(
    pipe: Pipeline, folder: str | os.PathLike[str], *, allow_partial: bool = False, own_names: bool = False
) -> AttachedFolder:
    """Let a pipeline know all embeddings in `folder` by their files' names, and load each when a prompt names it.

    Nothing is read at first. Files that cannot be loaded are explained when they are named; new, changed and removed
    ones are noticed. With `own_names` prompts may also announce an embedding by a name inside its file, as in
    `embedding:name`: the library (`open_library`) has them, and reads only the files that it does not know yet. Raises
    Unreadable where there is no such folder.
    """
    check_versions()
    path = os.fspath(folder)
    if not os.path.isdir(path):
        raise Unreadable("no such folder; pass the folder that your embeddings are in", path)
    attached = AttachedFolder(path, slots_of(pipe), allow_partial, own_names)
    for tokenizer in attached.tokenizers():
        tokenizers.taught(tokenizer).folders.append(attached)
    attached.refresh()
    return attached


def detach_all(slots: Sequence[Slot]) -> None:
    """Detach every folder that one of the slots' tokenizers knows."""
    known = [each for slot in slots for each in slot.tokenizers if tokenizers.knows_triggers(each)]
    folders = {id(folder): folder for each in known for folder in tokenizers.vocabulary_of(each).folders}
    for folder in folders.values():
        folder.detach()


_NEVER = (-1, -1)
_RECENT = 2_000_000_000
"""Nanoseconds; a folder that changed as lately as that may change again without its time telling."""


def _embeddings_in(root: str, folders: dict[str, int]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Paths of the embeddings below `root`, with names and aliases; fills `folders` with when each last changed.

    A file is called by its stem; where another has that already, by its path below `root`.
    """
    best: dict[tuple[int, str, str], tuple[int, str]] = {}
    for depth, folder, name in _walk(root, folders):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in SUFFIXES and not any(each in name.lower() for each in PREVIEWS):
            place_ = (depth, folder, stem)
            rank = (SUFFIXES.index(suffix.lower()), name)
            best[place_] = min(best.get(place_, rank), rank)
    named: dict[str, str] = {}
    paths: dict[str, tuple[str, tuple[str, ...]]] = {}
    for (depth, folder, stem), (_, name) in sorted(best.items()):
        path = os.path.join(folder, name)
        if not depth:
            paths[path] = (stem, ())
            named[stem.casefold()] = path
            continue
        short = os.path.basename(folder) if is_generic(stem) else stem
        inner = os.path.relpath(os.path.join(folder, stem), root).replace(os.sep, "/")
        first = named.setdefault(short.casefold(), path) == path
        paths[path] = (short, (inner,)) if first else (inner, ())
    return paths


def _with_own_names(root: str, found: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """`found`, each file's own names among its aliases unless some other file is called so."""
    with open_library() as library:
        library.scan([root])
        known = {file.path: file.embeddings for file in library.files([root])}
    taken = {fold(each) for name, aliases in found.values() for each in (name, *aliases)}
    paths: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path, (name, aliases) in found.items():
        embeddings = known.get(os.path.abspath(path), ())
        own = (embeddings[0].name, *embeddings[0].aliases) if len(embeddings) == 1 else ()
        paths[path] = (name, (*aliases, *(each for each in own if fold(each) not in taken)))
    return paths


def _walk(root: str, folders: dict[str, int]) -> Iterator[tuple[int, str, str]]:
    """Every file below `root`: how deep, in which folder, and its name; a folder that links lead back to, only once."""
    pending = [(0, root)]
    seen: set[str] = set()
    while pending:
        depth, folder = pending.pop()
        if (real := os.path.realpath(folder)) in seen:
            continue
        seen.add(real)
        now = _changed(folder)
        folders[folder] = now if time.time_ns() - now > _RECENT else 0
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            warnings.warn(f"{folder}: cannot be listed ({error.strerror})", stacklevel=2)
            continue
        for entry in entries:
            if entry.is_dir():
                pending.append((depth + 1, entry.path))
            else:
                yield depth, folder, entry.name


def _changed(folder: str) -> int:
    """When a folder last changed; 0 where it is gone."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _state(path: str) -> State | None:
    """What a file is like; None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
