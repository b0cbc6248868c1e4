"""The text that loanword writes beside the tensors of a safetensors file, so that conversion loses nothing.

Source: Stability AI's ModelSpec 1.0.1 (`modelspec.*`; hash_sha256 is over the data section alone); step, sd_checkpoint
and sd_checkpoint_name are spelled as in A1111's .pt files. `loanword.*` holds what no other key has a place for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..embeddings.text_encoders import BASE_MODELS
from .facts import IMPLEMENTATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..embeddings.embedding import Embedding


def metadata_of(embeddings: Sequence[Embedding]) -> dict[str, str]:
    """The metadata of a file with these embeddings; what only one of several can have is left out."""
    written = {"format": "pt"}
    if len(embeddings) == 1:
        written |= _single(embeddings[0])
    return written


def _single(embedding: Embedding) -> dict[str, str]:
    origin = embedding.provenance
    written = {**_model_spec(embedding), **origin.metadata}
    if embedding.name != "embedding" or embedding.aliases:
        written["loanword.name"] = embedding.name
    if embedding.aliases:
        written["loanword.aliases"] = json.dumps(embedding.aliases, ensure_ascii=False)
    if digest := origin.original_sha256:
        written["loanword.original_sha256"] = digest
    facts = {"step": origin.step, "sd_checkpoint": origin.checkpoint_hash, "sd_checkpoint_name": origin.checkpoint_name}
    return written | {key: str(value) for key, value in facts.items() if value is not None}


def _model_spec(embedding: Embedding) -> dict[str, str]:
    """ModelSpec's keys, unless the author wrote some: those stay as they are."""
    if any(key.startswith("modelspec.") for key in embedding.provenance.metadata):
        return {}
    base_model = BASE_MODELS.get(embedding.base_model or "")
    architecture = base_model.architectures[0] if base_model else "unknown"
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{architecture}/textual-inversion",
        "modelspec.implementation": IMPLEMENTATION,
        "modelspec.title": embedding.name,
        "modelspec.trigger_phrase": embedding.name,
        "modelspec.hash_sha256": "",  # the container knows the bytes
    }
