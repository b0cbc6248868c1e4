"""diffusers' learned_embeds of pipelines with two text encoders: a file for each, with the same tokens in both.

Source: diffusers 0.42, `examples/textual_inversion/textual_inversion_sdxl.py`, which adds `_2` to the second's name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...embeddings.errors import FileError, MalformedEmbedding
from .. import token_dict
from ..container import Opened, all_containers
from ..format import Format
from ..payload import Payload
from ..single_tensor import ENCODER, single_tensor
from ..source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding, Vectors
    from ..payload import Draft

KEY, TITLE = "diffusers-pair", "diffusers (a file for each of two text encoders)"
SECOND_OF_FLUX = "t5xxl"
"""Whose 4096-wide vectors they are that stand beside CLIP-L's."""


def recognise(payload: Payload) -> bool:
    return token_dict.partner_of(payload) is not None and token_dict.rank(payload) > 0


def parse(payload: Payload) -> list[Embedding]:
    name = token_dict.partner_of(payload) or ""
    own, other = replace(payload, encoder=None), _partner(payload, name)
    tokens, theirs = token_dict.tokens_of(own), token_dict.tokens_of(other)
    beside = token_dict.facts_beside(payload, len(tokens))
    found: list[Embedding] = []
    for token, tensor in tokens.items():
        vectors = _half(own, token, tensor)
        second = _half(other, token, theirs[token]) if token in theirs else {}
        fields = dict(beside)
        if vectors.keys() == second.keys() or not second:
            lone = f"{name} beside it has no vectors of another text encoder for this token"
            fields["warnings"] = (*beside["warnings"], lone)
        found.append(payload.embedding(KEY, {**second, **vectors}, name=token, **fields))
    return found


def build(embeddings: Sequence[Embedding]) -> Draft:
    return token_dict.build(embeddings, "diffusers", TITLE, (None,))


def _partner(payload: Payload, name: str) -> Payload:
    content = payload.source.siblings[name]
    source = Source(name, len(content), content)
    try:
        container = next(row for row in all_containers().values() if row.claims(source.head()))
        opened: Opened = container.open(source)
    except (FileError, StopIteration) as error:
        reason = error.message if isinstance(error, FileError) else "no known kind of file"
        raise MalformedEmbedding(f"its other half, {name}, cannot be read ({reason}); move that file away") from None
    other = Payload(opened.tree, source, container.key, opened.metadata)
    if token_dict.rank(other) < 1:
        raise MalformedEmbedding(f"its other half, {name}, has no tokens; move that file away")
    return other


def _half(payload: Payload, token: str, tensor: token_dict.Tensor) -> dict[str, Vectors]:
    hint = payload.metadata.get(ENCODER, SECOND_OF_FLUX)
    return single_tensor(payload, token_dict.label_of(token), tensor, hint=hint)


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("diffusers",),
    containers=("safetensors", "torch-zip"),
    recognise=recognise,
    parse=parse,
    build=build,
    several=True,
    fallback=True,
)
