"""An embedding's vectors as a tokenizer of ComfyUI wants them: those of its own text encoder, as a tensor."""

from __future__ import annotations

import functools
import importlib
import os
from typing import TYPE_CHECKING, Any, TypeAlias

from ...converters.files import read_all
from ...embeddings.text_encoders import TEXT_ENCODERS, encoder_spelled, encoders_of_width

if TYPE_CHECKING:
    from ...embeddings.embedding import Embedding, Vectors
    from .shelf import Entry

Tensor: TypeAlias = Any


def embeddings_of(entry: Entry) -> list[Embedding]:
    """The embeddings themselves, read anew only where their file has changed; raises FileError."""
    status = os.stat(entry.path)
    found = _read(entry.path, status.st_mtime_ns, status.st_size)
    return [found[position] for position in entry.positions if position < len(found)]


@functools.lru_cache(maxsize=32)
def _read(path: str, modified_ns: int, size: int) -> list[Embedding]:  # noqa: ARG001  # they tell states of a file apart
    return read_all(path)


def encoder_of(key: str | None, width: int) -> str | None:
    """Which text encoder a tokenizer with this `embedding_key` and `embedding_size` feeds."""
    spelled = encoder_spelled(key, width) if key else None
    if spelled is not None:
        return spelled.key
    fitting = encoders_of_width(width)
    return fitting[0].key if len(fitting) == 1 else None


def encoder_title(key: str | None, width: int) -> str:
    """What to call that text encoder."""
    encoder = encoder_of(key, width)
    return TEXT_ENCODERS[encoder].title if encoder else f"{key} ({width})"


def vectors_for(embedding: Embedding, key: str | None, width: int) -> Vectors | None:
    """Those of the embedding's vectors that the tokenizer's text encoder takes."""
    return embedding.vectors.get(encoder_of(key, width) or "")


def as_tensor(vectors: list[Vectors]) -> Tensor:
    """Vectors, one after another, in their own dtype: (n_vectors, width)."""
    torch: Any = importlib.import_module("torch")
    tensors = [
        torch.frombuffer(bytearray(each.tobytes()), dtype=getattr(torch, each.dtype)).reshape(each.shape)
        for each in vectors
    ]
    return tensors[0] if len(tensors) == 1 else torch.cat([each.float() for each in tensors])


def gap(count: int) -> Tensor:
    """What stands for `count` vectors that an embedding does not have for an encoder, until `without_gaps`."""
    torch: Any = importlib.import_module("torch")
    return torch.zeros((count, 1))


def without_gaps(batches: list[list[Any]], padding: Any) -> list[list[Any]]:
    """The tokens of each batch, padding at its end instead of the gaps: as ComfyUI does it, but silently."""
    return [_closed_up(batch, padding) for batch in batches]


def _closed_up(batch: list[Any], padding: Any) -> list[Any]:
    kept = [token for token in batch if getattr(token[0], "shape", None) != (1,)]
    missing = len(batch) - len(kept)
    return kept + [(padding, 1.0, 0)[: len(batch[0])]] * missing if missing else batch
