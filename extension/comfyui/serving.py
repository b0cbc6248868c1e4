"""The answers that ComfyUI's tokenizers get: which embedding a piece of a prompt names, and its vectors."""

from __future__ import annotations

import importlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ...converters.indexing import open_library
from ...embeddings.errors import FileError, NotAnEmbedding, UnsafePickle
from . import fitting
from .places import shown
from .shelf import Shelf, whole
from .uses import noting_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .fitting import Tensor
    from .shelf import Entry, Folders

REFUSED = frozenset((NotAnEmbedding.code, UnsafePickle.code))
"""Files that are not left to ComfyUI's reader, which makes something of anything."""

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


def tensor_of(name: str, folders: str | Iterable[str], width: int, key: str | None) -> tuple[bool, Tensor | None]:
    """Whether loanword answers for a name of one word, and the vectors; None where there is nothing to use."""
    entry = (handles.get() or {}).get(name)
    if entry is not None:
        return True, vectors_of(entry, width, key)
    shelf = shelf_of(folders)
    file = shelf.at_path(name)
    if file is None:
        entry = shelf.named(name)
        return (False, None) if entry is None else (True, vectors_of(entry, width, key))
    if file.embeddings:
        return True, vectors_of(whole(file), width, key)
    return file.kind in REFUSED, None


def vectors_of(entry: Entry, width: int, key: str | None) -> Tensor | None:
    """The vectors that an embedding has for a text encoder, or a gap of as many; None where its file cannot be read."""
    with noting_uses() as uses:
        try:
            embeddings = fitting.embeddings_of(entry)
        except FileError as error:
            uses.problems[f"{shown(entry.path)}: {error.message}"] = None
            return None
        except OSError as error:
            uses.problems[f"{shown(entry.path)}: {error.strerror}"] = None
            return None
        found = [vectors for each in embeddings if (vectors := fitting.vectors_for(each, key, width)) is not None]
        count = sum(vectors.shape[0] for vectors in found)
        uses.note(entry, embeddings, fitting.encoder_title(key, width), count)
        return fitting.as_tensor(found) if found else fitting.gap(sum(each.tokens for each in embeddings))


def explain(name: str, folders: str | Iterable[str]) -> None:
    """Note why the file that ComfyUI opens for `name` gave nothing, where there is one."""
    file = shelf_of(folders).at_path(name)
    if file is not None and not file.embeddings:
        with noting_uses() as uses:
            uses.problems[f"{shown(file.path)}: {file.message}"] = None


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
