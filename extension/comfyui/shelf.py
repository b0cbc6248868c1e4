"""The embeddings in some folders, by everything that a prompt can call them: paths as ComfyUI reads them, and names.

Source: ComfyUI, `comfy/sd1_clip.py`, `load_embed` (0.3.64): a path below any folder or subfolder, as it is or with one
of three suffixes.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ...converters.folders import members_of
from ...embeddings.errors import FileError
from ...embeddings.names import is_generic
from ...embeddings.prompts import PromptNames, fold, without_brackets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ...embeddings.indexed import IndexedEmbedding, IndexedFile
    from ...embeddings.library import Library

Folders: TypeAlias = "tuple[str, ...]"

GUESSED_SUFFIXES = ("", ".safetensors", ".pt", ".bin")
"""What ComfyUI tries behind a name, in this order."""
FRESH = 2.0
"""Seconds for which the folders are not looked at again, unless a name is not found."""
LONGEST_LABEL = 200
"""Characters; a name can have millions."""
PREFIX = "embedding:"
"""What ComfyUI takes for the beginning of a name."""


@dataclass(frozen=True)
class Entry:
    """What a name stands for: embeddings of one file; several where the name is that of a file with several."""

    name: str
    path: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """What lay in the folders when they were last looked at."""

    files: tuple[IndexedFile, ...] = ()
    spellings: dict[str, IndexedFile] = field(default_factory=dict[str, "IndexedFile"])
    """Paths as ComfyUI reads them."""
    names: PromptNames[Entry] = field(default_factory=PromptNames["Entry"])


class Shelf:
    """The embeddings below `folders`, and those bundled into models below `models`, as they are now."""

    def __init__(self, library: Library, folders: Folders, models: Folders = ()) -> None:
        self._library = library
        self.folders = folders
        self._models = models
        self._contents: Contents | None = None
        self._looked = 0.0
        self._lock = threading.Lock()

    @property
    def contents(self) -> Contents:
        """What is there; looked at anew every two seconds at most."""
        with self._lock:
            if self._contents is None or time.monotonic() - self._looked > FRESH:
                self._contents = self._renewed()
            return self._contents

    def refresh(self) -> Contents:
        """What is there, looked at right now."""
        with self._lock:
            self._contents = self._renewed()
            return self._contents

    def close(self) -> None:
        """Let go of the index."""
        self._library.close()

    def at_path(self, spelling: str) -> IndexedFile | None:
        """The file that ComfyUI itself would open for `spelling`."""
        found = self.contents.spellings.get(_normal(spelling))
        if found is not None and not _is_as_it_was(found):
            found = self.refresh().spellings.get(_normal(spelling))
        return found

    def named(self, name: str) -> Entry | None:
        """What a single name stands for, written in any way: its case, `<name>`, with a suffix or folders."""
        found = self.longest(name)
        return found[0] if found and found[1] == len(name.rstrip()) else None

    def longest(self, text: str) -> tuple[Entry, int] | None:
        """The longest name that `text` begins with, and where it ends."""
        found = _longest(self.contents, text)
        if found is not None and not os.path.exists(found[0].path):
            found = _longest(self.refresh(), text)
        return found

    def _renewed(self) -> Contents:
        scan = self._library.scan((*self.folders, *self._models))
        self._looked = time.monotonic()
        if self._contents is not None and not scan:
            return self._contents
        own = [file for folder in self.folders for file in _best_first(self._library.files([folder]))]
        bundles = [file for file in self._library.files(self._models) if file.kind == "embedding"]
        files = tuple({file.path: file for file in (*own, *bundles)}.values())
        spellings = _spellings(own, self.folders)
        return Contents(files, spellings, _names(files, spellings, self.folders))


def label_of(embedding: IndexedEmbedding, path: str) -> str:
    """What users type for an embedding: its name, or its file's where that cannot be shown in a list."""
    name = without_brackets(embedding.name)
    shown = len(name) <= LONGEST_LABEL and name.isprintable() and not set(name) & set("<>")
    return name if shown else os.path.splitext(os.path.basename(path))[0]


def whole(file: IndexedFile) -> Entry:
    """All the embeddings of a file, under its name."""
    stem = os.path.splitext(os.path.basename(file.path))[0]
    return Entry(stem, file.path, tuple(range(len(file.embeddings))))


def _is_as_it_was(file: IndexedFile) -> bool:
    try:
        status = os.stat(file.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size, file.modified_ns)


def _longest(contents: Contents, text: str) -> tuple[Entry, int] | None:
    for reference in contents.names.references(PREFIX + text)[:1]:
        if reference.start == 0 and reference.value is not None:
            return reference.value, reference.end - len(PREFIX)
    return None


def _best_first(files: Iterable[IndexedFile]) -> list[IndexedFile]:
    """The files, snapshots of a training after the result that a concept's folder is read as."""
    found = list(files)
    behind = {
        file.path
        for folder in {os.path.dirname(file.path) for file in found if _is_generic(file)}
        for file in _passed_over(folder, found)
    }
    return sorted(found, key=lambda file: file.path in behind)


def _passed_over(folder: str, files: Iterable[IndexedFile]) -> Iterator[IndexedFile]:
    try:
        members = set(members_of(folder))
    except FileError:
        return
    for file in files:
        if os.path.dirname(file.path) == folder and file.path not in members:
            yield file


def _is_generic(file: IndexedFile) -> bool:
    return is_generic(os.path.splitext(os.path.basename(file.path))[0])


def _spellings(files: Sequence[IndexedFile], folders: Folders) -> dict[str, IndexedFile]:
    """Every path by which ComfyUI finds a file, the file in the uppermost folder first where several have it."""
    found: dict[str, tuple[tuple[int, int, int], IndexedFile]] = {}
    for file in files:
        for rank, folder in enumerate(folders):
            below = _below(file.path, folder)
            parts = below.split(os.sep) if below else []
            for depth in range(len(parts)):
                spelling = os.sep.join(parts[depth:])
                for order, suffix in enumerate(GUESSED_SUFFIXES):
                    if spelling.endswith(suffix):
                        place = (rank, depth, order)
                        key = spelling[: len(spelling) - len(suffix)]
                        found[key] = min(found.get(key, (place, file)), (place, file), key=lambda each: each[0])
    return {spelling: file for spelling, (_, file) in found.items()}


def _names(files: Sequence[IndexedFile], spellings: Mapping[str, IndexedFile], folders: Folders) -> PromptNames[Entry]:
    """What embeddings are called: the names of files first, as ComfyUI has them, then their own, then aliases."""
    names: PromptNames[Entry] = PromptNames()
    known = [file for file in files if file.embeddings]
    for spelling, file in spellings.items():
        if file.embeddings and spelling == whole(file).name:
            names.add(spelling, whole(file), first=False)
    for file in known:
        for position, embedding in enumerate(file.embeddings):
            names.add(embedding.name, Entry(label_of(embedding, file.path), file.path, (position,)), first=False)
    for file in known:
        for position, embedding in enumerate(file.embeddings):
            entry = Entry(label_of(embedding, file.path), file.path, (position,))
            for alias in embedding.aliases:
                if names.get(alias) is None:
                    names.add(alias, entry, first=False)
        folder = os.path.dirname(file.path)
        if _is_generic(file) and folder not in folders and names.get(os.path.basename(folder)) is None:
            names.add(os.path.basename(folder), whole(file), first=False)
    return names


def _below(path: str, folder: str) -> str:
    """`path` as seen from `folder`; empty where it is not below it."""
    top = os.path.join(os.path.abspath(folder), "")
    return path[len(top) :] if path.startswith(top) else ""


def _normal(spelling: str) -> str:
    return os.path.normpath(spelling) if spelling else ""


def listed(contents: Contents, others: Iterable[str]) -> list[str]:
    """The names of embeddings that the paths in `others`, listed by ComfyUI, do not show already."""
    taken = {fold(os.path.splitext(os.path.basename(each.replace("\\", "/")))[0]) for each in others}
    fresh: dict[str, str] = {}
    for file in contents.files:
        for embedding in file.embeddings:
            if embedding.vectors and fold(label_of(embedding, file.path)) not in taken:
                fresh.setdefault(fold(label_of(embedding, file.path)), label_of(embedding, file.path))
    return sorted(fresh.values(), key=str.casefold)
