"""Embeddings inside LoRA files: put in under `bundle_emb.`, taken out again, the LoRA's own tensors untouched."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..embeddings.embedding import Embedding
from ..embeddings.errors import CannotWrite, NotAnEmbedding
from .atomic import write_atomic, write_atomic_in_pieces
from .container import container_named
from .files import opened_payload
from .formats import lora_bundle
from .lora_keys import BUNDLE, has_bundle, has_lora
from .payload import Draft
from .writing import check_same, convert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .payload import Payload
    from .writing import Destination, Written


def bundle(
    lora: Destination, embeddings: Embedding | Iterable[Embedding], destination: Destination, *, overwrite: bool = False
) -> Path:
    """Write `lora` with the embeddings added to it; returns the path. The LoRA file itself is not changed.

    Raises NotAnEmbedding where `lora` is no LoRA, CannotWrite where it has an embedding of that name already or the
    destination is the LoRA itself.
    """
    chosen = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    if not chosen:
        raise CannotWrite("no embeddings to bundle; name at least one")
    with opened_payload(lora) as payload:
        own = _lora_tensors(payload)
        if taken := sorted({each.name for each in chosen} & _names_inside(payload)):
            raise CannotWrite(f"{os.fspath(lora)}: has an embedding {taken[0]!r} already; take it out, or rename yours")
        return _write_lora(payload, {**own, **lora_bundle.build(chosen).tree}, destination, overwrite=overwrite)


def unbundle(
    lora: Destination,
    destination: Destination,
    *,
    lora_destination: Destination | None = None,
    format: str | None = None,  # noqa: A002  # the word that users know
    target: str | None = None,
    overwrite: bool = False,
) -> list[Written]:
    """Write the embeddings that are inside a LoRA as files of their own, as `convert` does; returns their paths.

    Where `lora_destination` is given, the LoRA without them is written there; its path is the last one returned.
    """
    paths = convert(lora, destination, format=format, target=target, overwrite=overwrite)
    if lora_destination is not None:
        with opened_payload(lora) as payload:
            own = {key: value for key, value in _lora_tensors(payload).items() if not key.startswith(BUNDLE)}
            paths.append(_write_lora(payload, own, lora_destination, overwrite=overwrite))
    return paths


def _lora_tensors(payload: Payload) -> dict[str, Any]:
    if not has_lora(payload.tree):
        raise NotAnEmbedding("is no LoRA, one was expected; name the LoRA first, then the embeddings")
    return payload.tree


def _names_inside(payload: Payload) -> set[str]:
    return {each.name for each in lora_bundle.parse(payload)} if has_bundle(payload.tree) else set()


def _write_lora(payload: Payload, tensors: Mapping[str, Any], destination: Destination, *, overwrite: bool) -> Path:
    path = Path(destination)
    container = container_named(payload.container)
    if payload.source.path and path.exists() and path.samefile(payload.source.path):
        raise CannotWrite(f"{path}: is the LoRA itself, which always stays; write elsewhere")
    draft = Draft(dict(tensors), payload.metadata)
    if container.pieces is not None:
        write_atomic_in_pieces(path, partial(container.pieces, draft), overwrite=overwrite)
    elif container.save is not None:
        content = container.save(draft)
        write_atomic(path, content, overwrite=overwrite, check=partial(check_same, content))
    else:
        raise CannotWrite(f"{path}: {container.title} files are only read; save the LoRA as .safetensors first")
    return path
