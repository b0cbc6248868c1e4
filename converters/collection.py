"""The embeddings of whole folders, and the names by which prompts can call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..embeddings.errors import FileError
from ..embeddings.prompts import PromptNames
from .batch import find
from .files import read_all

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from ..embeddings.embedding import Embedding


def embeddings_in(*places: str | os.PathLike[str]) -> list[Embedding]:
    """Every embedding in files, folders and patterns, in the order of the file names.

    Files that hold no embedding or cannot be read are left out; `loanword inspect` says why.
    """
    return [embedding for file in find(map(str, places)) for embedding in _embeddings_of(file.path)]


def prompt_names(embeddings: Iterable[Embedding]) -> PromptNames[str]:
    """The embeddings' names as prompts have them; of two with one name, the first has it. Each stands for its name."""
    names: PromptNames[str] = PromptNames()
    for embedding in embeddings:
        names.add(embedding.name, embedding.name, embedding.aliases, first=False)
    return names


def _embeddings_of(path: str) -> Iterable[Embedding]:
    try:
        return read_all(path)
    except FileError:
        return ()
