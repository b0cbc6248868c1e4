"""What a file is, as rows of a table and as plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...embeddings.errors import shortened
from ...embeddings.text_encoders import BASE_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...converters.files import Identity
    from ...embeddings.embedding import Embedding, Vectors

HEADINGS = ("file", "embedding", "base model", "vectors", "what it is")
LONGEST_NAME = 120
"""Characters of a name in a table; JSON has it whole."""
_KINDS = {"vectors": "", "output_vectors": "output ", "layer_vectors": "layer "}


def rows_of(path: str, identity: Identity) -> list[tuple[str, ...]]:
    """A row for each embedding of a file, or one that says what the file is instead."""
    if not identity.embeddings:
        return [(path, "-", "-", "-", f"{identity.kind}: {_without_path(identity)}")]
    what = f"{identity.message} ({identity.container})"
    return [
        (path, shortened(each.name, LONGEST_NAME), _base_model(each), _vectors(each), what)
        for each in identity.embeddings
    ]


def as_values(path: str, identity: Identity) -> dict[str, Any]:
    """Everything that is known of a file."""
    return {
        "path": path,
        "kind": identity.kind,
        "message": _without_path(identity),
        "format": identity.format,
        "container": identity.container,
        "embeddings": [_values(each) for each in identity.embeddings],
    }


def _values(embedding: Embedding) -> dict[str, Any]:
    origin = embedding.provenance
    return {
        "name": embedding.name,
        "aliases": embedding.aliases,
        "base_model": embedding.base_model,
        "tokens": embedding.tokens,
        **{kind: _shapes(getattr(embedding, kind)) for kind in _KINDS},
        "step": origin.step,
        "checkpoint_name": origin.checkpoint_name,
        "checkpoint_hash": origin.checkpoint_hash,
        "metadata": dict(origin.metadata),
        "sha256": origin.sha256,
        "original_sha256": origin.original_sha256,
        "warnings": embedding.warnings,
    }


def _shapes(vectors: Mapping[str, Vectors]) -> dict[str, Any]:
    return {key: {"shape": each.shape, "dtype": each.dtype} for key, each in vectors.items()}


def _base_model(embedding: Embedding) -> str:
    return BASE_MODELS[embedding.base_model].title if embedding.base_model else "unknown"


def _vectors(embedding: Embedding) -> str:
    """Each encoder with its vectors; those of the same shape and dtype share what they have in common."""
    keys: dict[str, list[str]] = {}
    for kind, label in _KINDS.items():
        for key, each in getattr(embedding, kind).items():
            keys.setdefault(f"{each.shape[0]} x {each.shape[1]} {each.dtype}", []).append(label + key)
    return ", ".join(f"{_listed(each)} {shape}" for shape, each in keys.items())


def _listed(keys: list[str]) -> str:
    return " + ".join(keys) if len(keys) < 4 else f"{keys[0]} … {keys[-1]}"


def _without_path(identity: Identity) -> str:
    return identity.message.removeprefix(f"{identity.path}: ")
