"""A1111's placeholder as the only key: {"*": (vectors, width)}, a flattened A1111 file from various converters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..encoder_keys import only_keys
from ..format import Format
from ..limits import one_encoder, the_only
from ..payload import Draft
from ..single_tensor import encoder_hint, single_tensor
from ..string_to_param import STAR
from ..trees import facts_of, root_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...embeddings.embedding import Embedding
    from ..payload import Payload

KEY, TITLE = "star-key", "tensor named *"


def recognise(payload: Payload) -> bool:
    root = root_dict(payload)
    return STAR in root and only_keys(root, {STAR})


def parse(payload: Payload) -> list[Embedding]:
    vectors = single_tensor(payload, f"'{STAR}'", payload.tree[STAR])
    return [payload.embedding(KEY, vectors, facts=facts_of(payload.tree))]


def build(embeddings: Sequence[Embedding]) -> Draft:
    encoder, vectors = one_encoder(the_only(embeddings, TITLE), TITLE)
    return Draft({STAR: vectors}, encoder_hint({encoder: vectors}))


FORMAT = Format(
    key=KEY,
    title=TITLE,
    written_by=("converters from .pt to safetensors",),
    containers=("safetensors", "torch-zip", "torch-legacy"),
    keys=frozenset((STAR,)),
    recognise=recognise,
    parse=parse,
    build=build,
)
