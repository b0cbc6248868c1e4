"""The kinds of embedding databases that hosts have: where their classes are, and how they take an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DatabaseKind:
    """A class `EmbeddingDatabase` of a host, beside the class `Embedding` of what it holds."""

    module: str
    """The name of the module both are in."""
    takes_model: bool = True
    """Whether the model is passed along when an embedding is registered."""
    lists_only: bool = False
    """Whether it only fills a page of the host: then what does not fit the loaded model is in it, too."""
    opens_all_at_once: bool = False
    """Whether files are opened by two functions of the module, `list_embeddings` and `open_embeddings`."""


A1111_DATABASE = DatabaseKind("modules.textual_inversion.textual_inversion")
FORGE_PAGE = DatabaseKind("modules.textual_inversion.textual_inversion", lists_only=True)
FORGE_ENGINE = DatabaseKind("backend.text_processing.textual_inversion", takes_model=False)
SDNEXT_DATABASE = DatabaseKind("modules.textual_inversion", opens_all_at_once=True)


def forget_times(database: Any) -> None:
    """Have the host think that its folders changed: how it is told to load whatever version it is."""
    for folder in database.embedding_dirs.values():
        folder.mtime = None
