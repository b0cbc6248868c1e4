"""Embeddings inside LoRA files: put in under `bundle_emb.`, taken out again, the LoRA's own tensors untouched."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..embeddings.embedding import Embedding
from ..embeddings.errors import CannotWrite, Damaged, NotAnEmbedding
from .atomic import write_atomic
from .container import container_named
from .files import opened_payload
from .format import format_named
from .payload import Draft
from .writing import convert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .payload import Payload
    from .writing import Destination

PREFIX = "bundle_emb."
_LORA_MARKS = ("lora", "hada_", "lokr_", "oft_", "dora_scale", "glora", "ia3", ".diff")


def bundle(
    lora: Destination, embeddings: Embedding | Iterable[Embedding], destination: Destination, *, overwrite: bool = False
) -> Path:
    """Write `lora` with the embeddings added to it; returns the path. The LoRA file itself is not changed.

    Raises NotAnEmbedding where `lora` is no LoRA, CannotWrite where it has an embedding of that name already or the
    destination is the LoRA itself.
    """
    chosen = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    with opened_payload(lora) as payload:
        own = _lora_tensors(payload)
        added = _bundle_tensors(chosen)
        if taken := sorted(set(own) & set(added)):
            raise CannotWrite(f"{os.fspath(lora)}: has {taken[0]!r} already; take it out first, or rename yours")
        return _write_lora(payload, {**own, **added}, destination, overwrite=overwrite)


def unbundle(
    lora: Destination,
    destination: Destination,
    *,
    lora_destination: Destination | None = None,
    format: str | None = None,  # noqa: A002  # the word that users know
    target: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the embeddings that are inside a LoRA as files of their own, as `convert` does; returns their paths.

    Where `lora_destination` is given, the LoRA without them is written there; its path is the last one returned.
    """
    paths = convert(lora, destination, format=format, target=target, overwrite=overwrite)
    if lora_destination is not None:
        with opened_payload(lora) as payload:
            own = {key: value for key, value in _lora_tensors(payload).items() if not key.startswith(PREFIX)}
            paths.append(_write_lora(payload, own, lora_destination, overwrite=overwrite))
    return paths


def _lora_tensors(payload: Payload) -> dict[str, Any]:
    tree = payload.tree
    if not isinstance(tree, dict) or not any(mark in str(key) for key in tree for mark in _LORA_MARKS):  # pyright: ignore[reportUnknownVariableType]
        raise NotAnEmbedding(
            "has no LoRA's tensors, a LoRA file was expected; name the LoRA first, then the embeddings"
        )
    return tree  # pyright: ignore[reportUnknownVariableType]


def _bundle_tensors(embeddings: list[Embedding]) -> Mapping[str, Any]:
    build = format_named("lora-bundle").build
    if build is None or not embeddings:
        raise CannotWrite("no embeddings to bundle; name at least one")
    return build(embeddings).tree


def _write_lora(payload: Payload, tensors: Mapping[str, Any], destination: Destination, *, overwrite: bool) -> Path:
    path = Path(destination)
    container = container_named(payload.container)
    if payload.source.path and os.path.realpath(path) == os.path.realpath(payload.source.path):
        raise CannotWrite(f"{path}: is the LoRA itself, which always stays; write elsewhere")
    if container.save is None:
        raise CannotWrite(f"{path}: {container.title} files are only read; save the LoRA as .safetensors first")
    content = container.save(Draft(dict(tensors), payload.metadata))
    write_atomic(path, content, overwrite=overwrite, check=partial(_check, content), durable=True)
    return path


def _check(content: bytes, read_back: bytes) -> None:
    if read_back != content:
        raise Damaged("what was read back from the disk differs from what was written; the disk may be failing")
