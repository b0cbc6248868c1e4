"""One file of a host's embedding folder: what the host reads itself stays with it, all else loanword reads for it.

What loanword refuses, the host does not open either: its own reader might run what is in a pickle, and Forge's renames
files that it fails to read.

The reader is imported when the first file is read: no start of a WebUI has to wait for it.

Source: A1111 1.10.1 and Forge (June 2025), `textual_inversion.py`, `EmbeddingDatabase.load_from_file` and
`create_embedding_from_data`.
"""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .usable import can_be_said, can_be_shown, left_to_host, named, why_not, width_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....embeddings.embedding import Embedding, Vectors
    from ..hosts.databases import DatabaseKind
    from ..hosts.host import Host
    from .usable import Named

ANY_WIDTH = -1


@dataclass
class Loading:
    """Reads files for the databases of a host; knows the aliases of what it read."""

    host: Host
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Other names of what was read, as prompts are compared, and the names they stand for."""

    def load(self, kind: DatabaseKind, original: Callable[..., Any], database: Any, path: str, filename: str) -> Any:
        """Take the place of `database.load_from_file`."""
        if not may_hold_embeddings(filename):
            return original(database, path, filename)
        if not can_be_shown(path):
            return None
        from ....converters.files import read_all
        from ....embeddings.errors import FileError

        try:
            found = read_all(path)
        except FileError:
            return None
        if not left_to_host(found, filename):
            self._register_all(kind, database, named(found, filename), path)
            return None
        result = original(database, path, filename)
        by_host = os.path.splitext(filename)[0]
        self._register_all(kind, database, [each for each in named(found, filename) if each.name != by_host], path)
        return result

    def _register_all(self, kind: DatabaseKind, database: Any, names: list[Named], path: str) -> None:
        for each in names:
            self.know_aliases(each)
            if each.taken_over or each.name not in database.word_embeddings:
                self.register(kind, database, each.name, each.embedding, path)

    def know_aliases(self, each: Named) -> None:
        """Remember the other names of an embedding."""
        from ....embeddings.prompts import fold

        for alias in filter(can_be_said, each.embedding.aliases):
            self.aliases.setdefault(fold(alias), each.name)

    def register(self, kind: DatabaseKind, database: Any, name: str, embedding: Embedding, path: str) -> Any:
        """Put the embedding into the database where it fits its model, and return what the database then holds.

        What fits another model only is listed as skipped, as the host does.
        """
        if why_not(embedding, self.host.target) is not None:
            return None
        made = self._made(kind, name, embedding, path)
        if not kind.lists_only and database.expected_shape not in (ANY_WIDTH, made.shape):
            database.skipped_embeddings[name] = made
            return None
        try:
            database.register_embedding(made, *((self.host.model(),) if kind.takes_model else ()))
        except IndexError:
            return None  # the tokenizer makes nothing of the name, so that no prompt can say it
        return made

    def _made(self, kind: DatabaseKind, name: str, embedding: Embedding, path: str) -> Any:
        """The host's own object for an embedding, with every field that its readers fill."""
        module = importlib.import_module(kind.module)
        origin = embedding.provenance
        made = module.Embedding(_vec(module, embedding), name, origin.step)
        made.sd_checkpoint = origin.checkpoint_hash
        made.sd_checkpoint_name = origin.checkpoint_name
        made.vectors = embedding.tokens
        made.shape = width_of(embedding)
        made.filename = path
        if hasattr(made, "set_hash") and origin.sha256 and self.host.hashes_files():
            made.set_hash(origin.sha256)
        return made


def _vec(module: Any, embedding: Embedding) -> Any:
    """The vectors as the host's models take them: float32, by encoder where there is more than one."""
    devices = getattr(module, "devices", None)

    def tensor(vectors: Vectors) -> Any:
        rows = module.torch.from_numpy(vectors.numpy())
        return rows.to(devices.device) if devices else rows

    if len(embedding.vectors) == 1:
        return tensor(next(iter(embedding.vectors.values())))
    return {key: tensor(vectors) for key, vectors in embedding.vectors.items()}


def may_hold_embeddings(filename: str) -> bool:
    """Whether loanword looks into a file of this name."""
    stem, suffix = os.path.splitext(filename.lower())
    return suffix in _suffixes() and not stem.endswith(".preview")


@functools.cache
def _suffixes() -> frozenset[str]:
    from ....converters.container import all_containers

    return frozenset((".pti", ".sft", *(suffix for row in all_containers().values() for suffix in row.suffixes)))
