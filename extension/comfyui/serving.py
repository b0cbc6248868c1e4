"""The answers that ComfyUI's tokenizers get: which embedding a piece of a prompt names, and its vectors."""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ...converters.indexing import contents_of, open_library
from ...embeddings.errors import FileError, one_line, shortened
from . import fitting, places, strangers
from .shelf import PREFIX, Entry, Shelf, whole
from .uses import noting_uses
from .workflows import without_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ...embeddings.indexed import IndexedFile
    from ...embeddings.library_records import Contents
    from .fitting import Tensor
    from .shelf import Folders

handles: ContextVar[Mapping[str, Entry] | None] = ContextVar("loanword_handles", default=None)
"""Words that stand for embeddings while a node tokenizes a prompt of its own."""
_shelves: dict[tuple[Folders, Folders], Shelf] = {}
_lock = threading.Lock()


def shelf_of(folders: str | Iterable[str]) -> Shelf:
    """The shelf of these folders, and of what is bundled into LoRAs."""
    chosen = (folders,) if isinstance(folders, str) else tuple(folders)
    models = places.folders("loras")
    with _lock:
        if (chosen, models) not in _shelves:
            _shelves[chosen, models] = Shelf(open_library(), chosen, models)
        return _shelves[chosen, models]


def shelf() -> Shelf:
    """The shelf of ComfyUI's own folders for embeddings."""
    return shelf_of(places.folders("embeddings"))


def forget() -> None:
    """Close the index, and look at every folder anew from now on."""
    with _lock:
        for each in _shelves.values():
            each.close()
        _shelves.clear()


def spelled_out(text: str, folders: str | Iterable[str]) -> str:
    """A prompt with its names apart from commas before them, and their parentheses no weights."""
    if PREFIX not in text:
        return text
    parts: list[str] = []
    done = 0
    for each in shelf_of(folders).contents.names.references(text):
        written = text[each.start : each.end]
        if each.value is not None and written.startswith(PREFIX):
            before = text[done : each.start]
            parts += (before, " " if before.endswith(",") else "", without_weights(written))
            done = each.end
    return "".join((*parts, text[done:]))


def spoken_of(text: str, folders: str | Iterable[str]) -> tuple[Entry, str] | None:
    """The embedding whose name `text` begins with, and the rest of the text; None where ComfyUI's own rule holds.

    That rule is: the first word is the path of a file. A longer name goes before it.
    """
    words = text.split()
    if not words or (handles.get() or {}).get(words[0].strip(",")):
        return None
    shelf = shelf_of(folders)
    found, is_path = _looked_up(shelf, text, words[0])
    if found is None and not is_path and _refreshed(shelf):
        found, is_path = _looked_up(shelf, text, words[0])
    if found is None:
        return None
    entry, end = found
    if is_path and len(text[:end].split()) == 1:
        return None
    return entry, " ".join(text[end:].split())


def tensor_of(
    name: str, folders: str | Iterable[str], width: int, key: str | None, theirs: Callable[[], Tensor | None]
) -> Tensor | None:
    """The vectors for a name of one word; `theirs` asks ComfyUI's own reader, where nothing speaks against it."""
    entry = (handles.get() or {}).get(name)
    shelf = shelf_of(folders)
    file = None if entry else shelf.at_path(name)
    if file is None:
        entry = entry or shelf.named(name)
    elif file.embeddings:
        entry = whole(file)
    if entry is not None:
        return vectors_of(entry, width, key)
    if file is not None:
        return _unless_refused(file.path, file, width, theirs)
    path = strangers.path_of(name, shelf.folders)
    return theirs() if path is None else _of_unlisted(path, width, key, theirs)


def _of_unlisted(path: str, width: int, key: str | None, theirs: Callable[[], Tensor | None]) -> Tensor | None:
    contents = contents_of(path)
    if contents.embeddings:
        entry = Entry(os.path.basename(path), path, tuple(range(len(contents.embeddings))))
        return vectors_of(entry, width, key)
    return _unless_refused(path, contents, width, theirs)


def _unless_refused(
    path: str, seen: IndexedFile | Contents, width: int, theirs: Callable[[], Tensor | None]
) -> Tensor | None:
    found = strangers.left_to_comfyui(path, seen.kind, width, theirs)
    if found is None:
        _note_problem(path, seen.message)
    return found


def vectors_of(entry: Entry, width: int, key: str | None) -> Tensor | None:
    """The vectors that an embedding has for a text encoder, or a gap of as many; None where its file cannot be read."""
    with noting_uses() as uses:
        try:
            embeddings = fitting.embeddings_of(entry)
        except (FileError, OSError) as error:
            _note_problem(entry.path, (error.message if isinstance(error, FileError) else error.strerror) or "")
            return None
        found = [vectors for each in embeddings if (vectors := fitting.vectors_for(each, key, width)) is not None]
        count = sum(vectors.shape[0] for vectors in found)
        uses.note(entry, embeddings, fitting.encoder_title(key, width), count)
        return fitting.as_tensor(found) if found else fitting.gap(sum(each.tokens for each in embeddings))


def _note_problem(path: str, reason: str) -> None:
    with noting_uses() as uses:
        uses.problems[f"{places.shown(path)}: {shortened(one_line(reason))}"] = None


def _looked_up(shelf: Shelf, text: str, word: str) -> tuple[tuple[Entry, int] | None, bool]:
    """The longest name that `text` begins with, and whether its first word is the path of a file."""
    return shelf.longest(text), (shelf.at_path(word) or shelf.at_path(word.strip(","))) is not None


def _refreshed(shelf: Shelf) -> bool:
    """Look at the folders anew, once for each prompt; whether that was done."""
    with noting_uses() as uses:
        if uses.refreshed:
            return False
        uses.refreshed = True
        shelf.refresh()
        return True
