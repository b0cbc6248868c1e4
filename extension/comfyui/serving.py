"""The answers that ComfyUI's tokenizers get: which embedding a piece of a prompt names, and its vectors."""

from __future__ import annotations

import importlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ...converters.indexing import open_library
from ...embeddings.errors import FileError
from . import fitting, strangers
from .places import shown
from .shelf import Shelf, whole
from .uses import noting_uses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .fitting import Tensor
    from .shelf import Entry, Folders

handles: ContextVar[Mapping[str, Entry] | None] = ContextVar("loanword_handles", default=None)
"""Words that stand for embeddings while a node tokenizes a prompt of its own."""
_shelves: dict[tuple[Folders, Folders], Shelf] = {}
_lock = threading.Lock()


def shelf_of(folders: str | Iterable[str]) -> Shelf:
    """The shelf of these folders, and of what is bundled into LoRAs."""
    chosen = (folders,) if isinstance(folders, str) else tuple(folders)
    paths: Any = importlib.import_module("folder_paths")
    models = tuple(paths.get_folder_paths("loras")) if "loras" in paths.folder_names_and_paths else ()
    with _lock:
        if (chosen, models) not in _shelves:
            _shelves[chosen, models] = Shelf(open_library(), chosen, models)
        return _shelves[chosen, models]


def shelf() -> Shelf:
    """The shelf of ComfyUI's own folders for embeddings."""
    paths: Any = importlib.import_module("folder_paths")
    return shelf_of(paths.get_folder_paths("embeddings"))


def forget() -> None:
    """Close the index, and look at every folder anew from now on."""
    with _lock:
        for each in _shelves.values():
            each.close()
        _shelves.clear()


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
    path = file.path if file else strangers.path_of(name, shelf.folders)
    return theirs() if path is None else _of_stranger(path, width, key, theirs)


def _of_stranger(path: str, width: int, key: str | None, theirs: Callable[[], Tensor | None]) -> Tensor | None:
    try:
        return vectors_of(strangers.entry_at(path), width, key)
    except FileError as error:
        found = strangers.left_to_comfyui(path, error, width, theirs)
        if found is None:
            _note_problem(path, error)
        return found


def vectors_of(entry: Entry, width: int, key: str | None) -> Tensor | None:
    """The vectors that an embedding has for a text encoder, or a gap of as many; None where its file cannot be read."""
    with noting_uses() as uses:
        try:
            embeddings = fitting.embeddings_of(entry)
        except (FileError, OSError) as error:
            _note_problem(entry.path, error)
            return None
        found = [vectors for each in embeddings if (vectors := fitting.vectors_for(each, key, width)) is not None]
        count = sum(vectors.shape[0] for vectors in found)
        uses.note(entry, embeddings, fitting.encoder_title(key, width), count)
        return fitting.as_tensor(found) if found else fitting.gap(sum(each.tokens for each in embeddings))


def _note_problem(path: str, error: FileError | OSError) -> None:
    with noting_uses() as uses:
        uses.problems[f"{shown(path)}: {error.message if isinstance(error, FileError) else error.strerror}"] = None


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
