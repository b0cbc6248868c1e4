"""Embeddings inside LoRA files, usable while the LoRA is in the prompt, where the host does not see to it itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .usable import can_be_said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....embeddings.embedding import Embedding
    from ..hosts.databases import DatabaseKind
    from ..hosts.host import Host
    from .loading import Loading


class LoraBundles:
    """What is registered of LoRA files now; `use` is told of the LoRAs of each prompt."""

    def __init__(self, host: Host, loading: Loading) -> None:
        self._host = host
        self._loading = loading
        self._registered: list[tuple[DatabaseKind, Any, Any]] = []
        self._read: dict[tuple[str, int], list[Embedding]] = {}

    def use(self, names: Iterable[str]) -> None:
        """Register the embeddings inside the LoRAs called `names`, and no others."""
        self.take_out()
        for name in names:
            path = self._host.lora_file(name)
            for embedding in self._embeddings_in(path) if path else ():
                self._register(embedding, path or "")

    def take_out(self) -> None:
        """Unregister what LoRAs brought."""
        while self._registered:
            kind, database, made = self._registered.pop()
            model = (self._host.model(),) if kind.takes_model else ()
            if database.word_embeddings.get(made.name) is made:
                database.register_embedding_by_name(None, *model, made.name)

    def _register(self, embedding: Embedding, path: str) -> None:
        kind = self._host.live_kind
        for database in self._host.live_databases():
            if embedding.name in database.word_embeddings:
                continue
            made = self._loading.register(kind, database, embedding.name, embedding, path)
            if made is not None:
                self._registered.append((kind, database, made))

    def _embeddings_in(self, path: str) -> list[Embedding]:
        """The bundled embeddings, kept while the file stays as it is."""
        try:
            key = path, os.stat(path).st_mtime_ns
        except OSError:
            return []
        from ....converters.files import read_all
        from ....embeddings.errors import FileError

        if key not in self._read:
            try:
                self._read[key] = [each for each in read_all(path) if can_be_said(each.name)]
            except FileError:
                self._read[key] = []
        return self._read[key]
