"""The library of this machine: its place, and the reader of files that the index itself knows nothing of."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from ..embeddings import library_reading
from ..embeddings.library import Contents, Library, Reader
from .container import all_containers
from .files import identify
from .folders import companion_names

if TYPE_CHECKING:
    from collections.abc import Collection

PLACE = "LOANWORD_LIBRARY"
"""The environment variable that says where the index is."""
_REVISION = "1"
"""Raised whenever files are read in another way than before."""
_PICTURES = (".png", ".webp", ".jxl", ".avif")
_PREVIEWS = (".preview", ".example")
"""What stands before the suffix of a picture that shows what a model makes."""


def open_library(path: str | None = None) -> Library:
    """The index at `path`, by default the one that all programs of this user share; to be closed after use."""
    place = path or os.environ.get(PLACE) or os.path.join(cache_folder(), "loanword", "library.sqlite")
    return Library(place, reader())


def reader() -> Reader:
    """What the index has to be told of files."""
    return Reader(_REVISION, _suffixes(), contents_of, sorted_out, _command())


def serve() -> None:
    """Read files for another process."""
    library_reading.serve(contents_of)


def contents_of(path: str) -> Contents:
    """What a file holds, or what it is instead."""
    identity = identify(path)
    message = identity.message.removeprefix(f"{path}: ")
    container = identity.container
    pickled = container is not None and all_containers()[container].pickled
    return Contents(identity.kind, message, identity.format, container, pickled, identity.embeddings)


def sorted_out(names: list[str]) -> tuple[Collection[str], Collection[str]]:
    """Of the names in a folder, those that are not read: parts of others, and pictures that say they are previews.

    And the pictures that are called as a model is, which usually are previews, too.
    """
    left_out = {name for each in names if each.startswith("learned_embeds") for name in companion_names(each)}
    previews: list[str] = []
    pictures = [name for name in names if name.lower().endswith(_PICTURES)]
    listed = set(names) if pictures else ()
    for name in pictures:
        stem, ending = os.path.splitext(os.path.splitext(name)[0])
        if ending in _PREVIEWS and _model_called(stem, listed):
            left_out.add(name)
        elif _model_called(stem + ending, listed):
            previews.append(name)
    return left_out, previews


def _model_called(stem: str, names: Collection[str]) -> bool:
    return any(stem + suffix in names for suffix in _suffixes() if suffix not in _PICTURES)


@functools.cache
def _suffixes() -> frozenset[str]:
    """What files that some container knows end in; .pti is safetensors under another name."""
    return frozenset((".pti", *(suffix for row in all_containers().values() for suffix in row.suffixes)))


def _command() -> tuple[str, ...]:
    """What starts a process that serves; nothing where this program is no plain Python, or not installed as usual.

    Isolated, so that nothing is imported from the folder that it happens to start in.
    """
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    place = os.path.join(root, "checkout") if os.path.isdir(os.path.join(root, "checkout")) else os.path.dirname(root)
    known_by_name = place.endswith("checkout") or os.path.basename(root) == "loanword"
    if not known_by_name or not os.path.basename(sys.executable or "").lower().startswith("python"):
        return ()
    numpy = importlib.util.find_spec("numpy")
    libraries = [os.path.dirname(os.path.dirname(numpy.origin))] if numpy and numpy.origin else []
    paths = f"sys.path[:] = [{place!r}, *sys.path, *{libraries!r}]"
    return (sys.executable, "-I", "-c", f"import sys; {paths}; from loanword.converters.indexing import serve; serve()")


def cache_folder() -> str:
    """Where this system keeps what programs can make again."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches")
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
