"""Where nodes write: below ComfyUI's own folders, under names that are made safe, never over what is there."""

from __future__ import annotations

import importlib
import os
import re
from typing import TYPE_CHECKING, Any

from ...converters.writing import keep_originals, put
from ...embeddings.errors import CannotWrite, UnknownName
from ...embeddings.names import safe_filename

if TYPE_CHECKING:
    from ...converters.writing import Rendered

EMBEDDINGS, OUTPUT = "models/embeddings", "output/embeddings"
PLACES = (EMBEDDINGS, OUTPUT)


def folders(kind: str) -> tuple[str, ...]:
    """ComfyUI's folders for models of a kind."""
    paths: Any = importlib.import_module("folder_paths")
    return tuple(paths.get_folder_paths(kind)) if kind in paths.folder_names_and_paths else ()


def folder_of(place: str) -> str:
    """The folder that a place stands for; raises UnknownName."""
    paths: Any = importlib.import_module("folder_paths")
    if place == EMBEDDINGS:
        return folders("embeddings")[0]
    if place == OUTPUT:
        return os.path.join(paths.get_output_directory(), "embeddings")
    raise UnknownName(f"nodes write to no place called {place!r}; there are {', '.join(PLACES)}")


def lora_place(name: str) -> str:
    """The path for a new LoRA; raises CannotWrite where it is taken."""
    paths: Any = importlib.import_module("folder_paths")
    path = os.path.join(paths.get_output_directory(), "loras", f"{safe_filename(name)}.safetensors")
    if os.path.lexists(path):
        raise CannotWrite(f"{path}: is already there; choose another name")
    return path


def keep(files: list[Rendered], place: str) -> list[str]:
    """Write the files, but for those that are there already with the same content; returns their paths."""
    folder = folder_of(place)
    keep_originals(files, folder)
    fresh = [file for file in files if not _is_there(file, folder)]
    for path in (os.path.join(folder, file.name) for file in fresh):
        if os.path.lexists(path):
            raise CannotWrite(f"{path}: is already there, and another; move it away, or choose another place or name")
    os.makedirs(folder, exist_ok=True)
    put(fresh, folder, overwrite=False, durable=True)
    return [os.path.join(folder, file.name) for file in files]


def shown(path: str) -> str:
    """A path as users know it: below ComfyUI's folder, and nothing of where that is."""
    known = with_shown_paths(path)
    return os.path.basename(path) if known == path else known.replace(os.sep, "/")


def with_shown_paths(text: str) -> str:
    """`text` with the paths in it as users know them."""
    paths: Any = importlib.import_module("folder_paths")
    for top in (paths.get_output_directory(), *folders("embeddings"), *folders("loras")):
        folder = os.path.normpath(top)
        start = rf"(?<![^\s'\"(]){re.escape(os.path.join(folder, ''))}"
        text = re.sub(start, lambda _, folder=folder: os.path.join(os.path.basename(folder), ""), text)
    return text


def _is_there(file: Rendered, folder: str) -> bool:
    try:
        with open(os.path.join(folder, file.name), "rb") as stream:
            return stream.read() == file.content
    except OSError:
        return False
